"""Draws the positions of the patches of a batch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """The position of a patch in its image, and how it is turned and flipped.

    Attributes:
        photograph: index of the image.
        top: first row of the patch, in low-resolution pixels.
        left: first column of the patch, in low-resolution pixels.
        turns: number of counterclockwise quarter turns, 0 to 3.
        flip: True if the patch is then mirrored, left to right.
    """

    photograph: int
    top: int
    left: int
    turns: int
    flip: bool


def usable(sizes: Sequence[tuple[int, int]], patch: int) -> list[int]:
    """Indices of the images that are at least as large as a patch.

    Args:
        sizes: heights and widths of the low-resolution images.
        patch: side of a patch, in low-resolution pixels.
    """
    return [index for index, size in enumerate(sizes) if min(size) >= patch]


def draw(
    rng: np.random.Generator, sizes: Sequence[tuple[int, int]], among: Sequence[int], patch: int, batch: int
) -> Iterator[Place]:
    """Draws the places of a batch, one after another.

    Args:
        rng: generator of the step.
        sizes: heights and widths of all low-resolution images.
        among: indices of the images to draw from.
        patch: side of a patch, in low-resolution pixels.
        batch: number of patches.
    """
    for _ in range(batch):
        index = among[int(rng.integers(len(among)))]
        height, width = sizes[index]
        top = int(rng.integers(height - patch + 1))
        left = int(rng.integers(width - patch + 1))
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        yield Place(index, top, left, turns, flip)
