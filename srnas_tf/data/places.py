"""Where the patches of a batch lie, as a function of what is drawn."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """A patch, as it lies in its photograph, and how it is turned.

    Attributes:
        photograph: its number.
        top: of the patch, low-resolution pixels.
        left: likewise.
        turns: quarter turns against the clock.
        flip: whether it is mirrored then, left to right.
    """

    photograph: int
    top: int
    left: int
    turns: int
    flip: bool


def usable(sizes: Sequence[tuple[int, int]], patch: int) -> list[int]:
    """Which of the photographs, by heights and widths of their low-resolution images, are as large as a patch."""
    return [index for index, size in enumerate(sizes) if min(size) >= patch]


def draw(
    rng: np.random.Generator, sizes: Sequence[tuple[int, int]], among: Sequence[int], patch: int, batch: int
) -> Iterator[Place]:
    """The places of a batch, one after another.

    Args:
        rng: the step's.
        sizes: heights and widths of the low-resolution images.
        among: which of these to draw from.
        patch: side of a low-resolution patch, pixels.
        batch: how many.
    """
    for _ in range(batch):
        index = among[int(rng.integers(len(among)))]
        height, width = sizes[index]
        top = int(rng.integers(height - patch + 1))
        left = int(rng.integers(width - patch + 1))
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        yield Place(index, top, left, turns, flip)
