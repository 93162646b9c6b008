"""What images may come in, and what they are written as."""

from dataclasses import dataclass

from srnas_tf import settings
from srnas_tf.kit import formats
from srnas_tf.settings import setting


@dataclass(frozen=True)
class PictureSettings:
    """How `--mode=upscale` writes images, and how large one may be that is read in any mode."""

    quality: int = setting(
        0,
        f"of JPEG and WebP that upscale writes, 1 to 100; 0: JPEG {formats.QUALITY}, and WebP without loss",
        bounds=(0, 100),
    )
    format: str = setting(
        "",
        "what all images of a folder become in upscale, their own unless given; or one without --output, else PNG",
        choices=("", *formats.BY_NAME),
    )
    max_megapixels: float = setting(
        formats.MEGAPIXELS, "larger images are refused: a small file may say that it is huge", bounds=(0.001, 1e6)
    )

    def __post_init__(self) -> None:
        settings.check(self)
