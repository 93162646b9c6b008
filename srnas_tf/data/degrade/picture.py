"""A part of an image that knows its place, and the interface of a degradation's steps."""

from typing import NamedTuple, Protocol

import numpy as np

Size = tuple[int, int]
"""Height and width of a whole image."""


class Rectangles(Protocol):
    """An image whose rectangles can be read: an array, or a mapped file."""

    def __getitem__(self, window: tuple[slice, slice], /) -> np.ndarray: ...


class Window(NamedTuple):
    """A rectangle of an image in pixels. `bottom` and `right` are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an RGB array of its pixels."""
        return self.bottom - self.top, self.right - self.left, 3

    def grown(self, margin: int, size: Size, multiple: int = 1) -> "Window":
        """The window with a margin on each side and its edges at multiples, clipped to the image."""
        top, left = (max(0, (low - margin) // multiple * multiple) for low in self[:2])
        bottom, right = (
            min(side, -(-(high + margin) // multiple) * multiple) for high, side in zip(self[2:], size, strict=True)
        )
        return Window(top, left, bottom, right)


class Picture(NamedTuple):
    """Pixels of a window of an image.

    Attributes:
        pixels: uint8 RGB [height, width, 3].
        at: their window.
        size: size of the whole image.
    """

    pixels: np.ndarray
    at: Window
    size: Size

    def part(self, window: Window) -> np.ndarray:
        """The pixels of a smaller window."""
        top, left = window.top - self.at.top, window.left - self.at.left
        return self.pixels[top : top + window.bottom - window.top, left : left + window.right - window.left]


class Change:
    """One step of a degradation, with drawn values. The base class leaves an image as it is."""

    def size(self, size: Size, final: Size) -> Size:
        """Height and width of the image after the step.

        Args:
            size: before it.
            final: size of the low-resolution image.
        """
        return size

    def needs(self, wanted: Window, size: Size, after: Size) -> Window:
        """The window of the image before the step that a window after it depends on.

        Args:
            wanted: the window after it.
            size: size of the whole image before the step.
            after: size of the whole image after the step.
        """
        return wanted

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        """The wanted window of the image after the step, uint8. The picture holds at least the window of `needs`.

        Unless it says otherwise, a step that draws nothing gives each pixel the same bytes in any window.
        """
        return picture.part(wanted)


def levels(values: np.ndarray) -> np.ndarray:
    """Values around 0..255 as uint8, rounded and clipped."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
