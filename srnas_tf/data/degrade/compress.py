"""Lossy compression, as JPEG and WebP files have it."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from srnas_tf.data.degrade.picture import Change, Picture, Size, Window

SUBSAMPLINGS = {"420": ("4:2:0", 16), "422": ("4:2:2", 16), "444": ("4:4:4", 8)}
"""Pillow's names, and the side of JPEG's coding units in pixels."""

_BLOCK = 16
"""Side of WebP's macroblocks, pixels."""


def _through(pixels: np.ndarray, kind: str, **options) -> np.ndarray:
    """The image, written to a file and read again."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **options)
    with Image.open(file, formats=(kind,)) as image:
        return np.asarray(image.convert("RGB"))


@dataclass(frozen=True)
class Jpeg(Change):
    """Compression by Pillow's JPEG. Blocks lie as in the file of the whole image.

    Args:
        quality: 1 to 100.
        chroma: a key of `SUBSAMPLINGS`.
    """

    quality: int
    chroma: str

    def needs(self, wanted: Window, size: Size, after: Size) -> Window:
        block = SUBSAMPLINGS[self.chroma][1]
        # Subsampled colours are interpolated across the edges of blocks.
        return wanted.grown(0 if self.chroma == "444" else 2, size, block)

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        options = {"quality": self.quality, "subsampling": SUBSAMPLINGS[self.chroma][0]}
        at = self.needs(wanted, picture.size, after)
        return Picture(_through(picture.part(at), "JPEG", **options), at, after).part(wanted)


@dataclass(frozen=True)
class Webp(Change):
    """Compression by Pillow's lossy WebP.

    WebP predicts each block from those before it. A part is therefore encoded with a block around it, and is not
    bit-identical to that of the whole image.

    Args:
        quality: 1 to 100.
    """

    quality: int

    def needs(self, wanted: Window, size: Size, after: Size) -> Window:
        return wanted.grown(_BLOCK // 2, size, _BLOCK)

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        at = self.needs(wanted, picture.size, after)
        return Picture(_through(picture.part(at), "WEBP", quality=self.quality), at, after).part(wanted)
