"""Resizing by the kernels that programs use."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from srnas_tf.bicubic import cubic
from srnas_tf.data import imresize
from srnas_tf.data.degrade.picture import Change, Picture, Size, Window, levels


class Kernel(NamedTuple):
    """An interpolating kernel.

    Attributes:
        pillows: its name in Pillow.
        reach: its radius, pixels of the smaller image.
        weight: distance in pixels of the smaller image -> weight.
    """

    pillows: Image.Resampling
    reach: float
    weight: Callable[[np.ndarray], np.ndarray]


KERNELS = {
    "bicubic": Kernel(Image.Resampling.BICUBIC, 2.0, cubic),
    "bilinear": Kernel(Image.Resampling.BILINEAR, 1.0, lambda x: np.maximum(0.0, 1.0 - np.abs(x))),
    "area": Kernel(Image.Resampling.BOX, 0.5, lambda x: np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)),
    "lanczos": Kernel(
        Image.Resampling.LANCZOS, 3.0, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    ),
    "nearest": Kernel(Image.Resampling.NEAREST, 0.5, np.ones_like),
}
"""Pillow's kernels. All but `nearest` are antialiased."""


@dataclass(frozen=True)
class Resize(Change):
    """Resizing to the size of the low-resolution image, or by a factor.

    Bicubic reductions by a whole number are bit-identical to MATLAB's. Other reductions by a whole number are Pillow's.

    Args:
        kernel: a key of `KERNELS`.
        factor: factor of height and width. 0 resizes to the size of the low-resolution image.
    """

    kernel: str
    factor: float = 0.0

    def size(self, size: Size, final: Size) -> Size:
        return (_scaled(size[0], self.factor), _scaled(size[1], self.factor)) if self.factor else final

    def needs(self, wanted: Window, size: Size, after: Size) -> Window:
        if divisor := self._matlabs(size, after):
            return Window(*(edge * divisor for edge in wanted)).grown(imresize.CONTEXT * divisor, size)
        spans = []
        for low, high, side, new in zip(wanted[:2], wanted[2:], size, after, strict=True):
            margin = KERNELS[self.kernel].reach * max(1.0, side / new) + 1
            spans.append((math.floor(low * side / new - margin), math.ceil(high * side / new + margin)))
        (top, bottom), (left, right) = spans
        return Window(top, left, bottom, right).grown(0, size)

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        if divisor := self._matlabs(picture.size, after):
            at = Window(*(edge // divisor for edge in picture.at))
            margins = *wanted[:2], after[0] - wanted.bottom, after[1] - wanted.right
            reduce = imresize.reduce_inner if min(margins) >= imresize.CONTEXT else imresize.reduce
            return Picture(reduce(picture.pixels, divisor), at, after).part(wanted)
        if self.kernel == "nearest":
            return picture.pixels[np.ix_(*self._places(picture, wanted, after))]
        if all(side % new == 0 for side, new in zip(picture.size, after, strict=True)):
            return self._pillows(picture, wanted, after)
        pixels = picture.pixels
        for axis in (0, 1):
            pixels = self._along(pixels, axis, picture, wanted, after)
        return levels(pixels)

    def _places(self, picture: Picture, wanted: Window, after: Size) -> list[np.ndarray]:
        """The nearest rows and columns to the wanted ones."""
        edges = zip(wanted[:2], wanted[2:], picture.size, after, picture.at[:2], strict=True)
        return [(2 * np.arange(low, high) + 1) * side // (2 * new) - start for low, high, side, new, start in edges]

    def _pillows(self, picture: Picture, wanted: Window, after: Size) -> np.ndarray:
        """Resizing by a whole number in Pillow. For other factors, Pillow rounds a box' edges to single precision."""
        (y, x), (top, left) = (side // new for side, new in zip(picture.size, after, strict=True)), picture.at[:2]
        # Pillow's kernels also see pixels around the box.
        box = (wanted.left * x - left, wanted.top * y - top, wanted.right * x - left, wanted.bottom * y - top)
        height, width, _ = wanted.shape
        image = Image.fromarray(np.ascontiguousarray(picture.pixels))
        return np.asarray(image.resize((width, height), KERNELS[self.kernel].pillows, box))

    def _along(self, pixels: np.ndarray, axis: int, picture: Picture, wanted: Window, after: Size) -> np.ndarray:
        """Rows or columns resized by any ratio, float64. The sums are the same in any window."""
        side, new, start = picture.size[axis], after[axis], picture.at[axis]
        kernel, shrinks = KERNELS[self.kernel], max(1.0, side / new)
        centres = (2 * np.arange(wanted[axis], wanted[axis + 2]) + 1) * side / (2 * new)
        first = np.floor(centres - kernel.reach * shrinks).astype(int)
        places = first + np.arange(math.ceil(2 * kernel.reach * shrinks) + 1)[:, None]
        weights = kernel.weight((places + 0.5 - centres) / shrinks) * ((places >= 0) & (places < side))
        weights /= weights.sum(axis=0)
        pixels = pixels.swapaxes(0, axis)
        total = np.zeros((len(centres), *pixels.shape[1:]))
        for weight, place in zip(weights, places, strict=True):
            total += weight[:, None, None] * pixels[np.clip(place - start, 0, len(pixels) - 1)]
        return total.swapaxes(0, axis)

    def _matlabs(self, size: Size, after: Size) -> int:
        """The divisor of a bicubic reduction; 0 for another step."""
        divisor = size[0] // after[0]
        whole = divisor > 1 and size == (after[0] * divisor, after[1] * divisor)
        return divisor if whole and self.kernel == "bicubic" else 0


def _scaled(side: int, factor: float) -> int:
    return max(1, round(side * factor))
