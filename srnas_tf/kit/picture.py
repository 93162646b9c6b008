"""Images with their transparency and metadata, and how they are enlarged."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from . import tiles, transparency
from .rows import Rows

_EXIF_IFD, _EXIF_WIDTH, _EXIF_HEIGHT = 0x8769, 0xA002, 0xA003


class Photograph(NamedTuple):
    """An image with its transparency and metadata.

    Attributes:
        pixels: uint8 or uint16 RGB [height, width, 3]; three equal channels for gray.
        alpha: its transparency, of the same type, [height, width, 1].
        gray: whether to write it as gray.
        profile: its ICC profile.
        exif: its EXIF data without the orientation, which is already applied.
        dpi: pixels per inch, horizontal and vertical.
        cicp: the content of a PNG file's cICP chunk.
        lossy: whether its file was compressed with loss.
    """

    pixels: Rows
    alpha: Rows | None = None
    gray: bool = False
    profile: bytes | None = None
    exif: Image.Exif | None = None
    dpi: tuple[float, float] | None = None
    cicp: bytes | None = None
    lossy: bool = False

    @property
    def deep(self) -> bool:
        """Whether it has 16 bits."""
        return self.pixels.dtype == np.uint16


def enlarge(
    photograph: Photograph,
    model: tiles.Model,
    pixels: int = 0,
    shrunk: Callable[[int], None] = lambda pixels: None,
    told: tiles.Told = lambda share: None,
) -> Photograph:
    """Enlarges an image: transparency by bicubic, colours by the model.

    Args:
        photograph: the image.
        model: the network.
        pixels: see `tiles.enlarge`, as for the following ones.

    Raises:
        MemoryError: if not even the smallest tiles fit.
    """
    colours, alpha = photograph.pixels[:], photograph.alpha
    if alpha is not None:
        colours = transparency.bled(colours, alpha[:])
        smooth = tiles.Model(lambda plane: transparency.bicubic(plane, model.scale), model.scale)
        alpha = tiles.enlarge(alpha[:], smooth, pixels)
    enlarged = tiles.enlarge(colours, model, pixels, shrunk, told)
    return photograph._replace(pixels=enlarged, alpha=alpha, exif=_resized(photograph.exif, enlarged.shape))


def _resized(exif: Image.Exif | None, shape: tuple[int, ...]) -> Image.Exif | None:
    """Updates the size in EXIF data."""
    if exif is not None:
        taken = exif.get_ifd(_EXIF_IFD)
        for tag, size in ((_EXIF_HEIGHT, shape[0]), (_EXIF_WIDTH, shape[1])):
            if tag in taken:
                taken[tag] = size
    return exif
