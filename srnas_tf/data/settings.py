"""Settings of images: the largest size, and how they are written."""

from dataclasses import dataclass

from srnas_tf import settings
from srnas_tf.kit import formats
from srnas_tf.settings import setting


@dataclass(frozen=True)
class PictureSettings:
    """Settings for writing images, and the size of the largest image that any mode reads."""

    quality: int = setting(
        0,
        f"quality of JPEG and WebP files, 1 to 100; 0: {formats.QUALITY} for JPEG, lossless for WebP",
        bounds=(0, 100),
    )
    format: str = setting(
        "",
        "format of the results; by default each image's own in a folder, and PNG for one image without --output",
        choices=("", *formats.BY_NAME),
    )
    max_megapixels: float = setting(
        formats.MEGAPIXELS,
        "largest image that is read, in megapixels; a small file can claim any size",
        bounds=(0.001, 1e6),
    )

    def __post_init__(self) -> None:
        settings.check(self)
