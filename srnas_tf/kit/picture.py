"""Photographs taken apart, and enlarged so."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from . import tiles, transparency
from .rows import Rows

_EXIF_IFD, _EXIF_WIDTH, _EXIF_HEIGHT = 0x8769, 0xA002, 0xA003


class Photograph(NamedTuple):
    """An image taken apart.

    Attributes:
        pixels: uint8 or uint16 RGB [height, width, 3]; of a gray image, three times the same.
        alpha: its transparency, of the same kind, [height, width, 1].
        gray: whether it is to be written as such.
        profile: its ICC profile.
        exif: the rest of its EXIF data; the orientation has been obeyed and taken out.
        dpi: pixels an inch, across and down.
        cicp: what a PNG file's cICP chunk says of its colours.
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
        """Whether it has 16 bits a channel."""
        return self.pixels.dtype == np.uint16


def enlarge(
    photograph: Photograph,
    model: tiles.Model,
    pixels: int = 0,
    shrunk: Callable[[int], None] = lambda pixels: None,
    told: tiles.Told = lambda share: None,
) -> Photograph:
    """The photograph enlarged: transparency by bicubic, the rest by the model, of which it hides nothing.

    Args:
        photograph: what to enlarge.
        model: what enlarges.
        pixels: as `tiles.enlarge` takes it, and so are the others.

    Raises:
        MemoryError: where not even the smallest parts fit.
    """
    colours, alpha = photograph.pixels[:], photograph.alpha
    if alpha is not None:
        colours = transparency.bled(colours, alpha[:])
        smooth = tiles.Model(lambda plane: transparency.bicubic(plane, model.scale), model.scale)
        alpha = tiles.enlarge(alpha[:], smooth, pixels)
    enlarged = tiles.enlarge(colours, model, pixels, shrunk, told)
    return photograph._replace(pixels=enlarged, alpha=alpha, exif=_resized(photograph.exif, enlarged.shape))


def _resized(exif: Image.Exif | None, shape: tuple[int, ...]) -> Image.Exif | None:
    """EXIF data that tells the size tells the new one."""
    if exif is not None:
        taken = exif.get_ifd(_EXIF_IFD)
        for tag, size in ((_EXIF_HEIGHT, shape[0]), (_EXIF_WIDTH, shape[1])):
            if tag in taken:
                taken[tag] = size
    return exif
