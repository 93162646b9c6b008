"""Crops from the middle of images."""

from collections.abc import Sequence

import numpy as np

from srnas_tf.data.sources import Pair
from srnas_tf.freeze.runtimes.runtime import Size


def patches_of(images: Sequence[np.ndarray], size: Size | None = None) -> np.ndarray:
    """The middle of each image, float32 [n, height, width, 3] in 0..1. By default 64 pixels a side, or fewer if an
    image is smaller.
    """
    side = min(64, *(size for image in images for size in image.shape[:2]))
    middles = [middle(image, size or (side, side)) for image in images]
    return np.stack(middles).astype(np.float32) / np.float32(255)


def middle(image: np.ndarray, size: Size, unit: int = 1) -> np.ndarray:
    """The middle of an image. If the image is too small, its mirror image continues beyond the edges.

    Args:
        image: [height, width, channels].
        size: height and width, in units.
        unit: number of pixels of a unit. The middle begins at a multiple of it.
    """
    missing = [max(0, unit * side - own) for side, own in zip(size, image.shape[:2], strict=True)]
    image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], "symmetric")
    y, x = (unit * ((own // unit - side) // 2) for side, own in zip(size, image.shape[:2], strict=True))
    return image[y : y + unit * size[0], x : x + unit * size[1]]


def middle_of(pair: Pair, size: Size, scale: int) -> Pair:
    """The middles of a pair, which show the same. `size` is that of the low-resolution one."""
    return Pair(pair.name, middle(pair.lr, size), middle(pair.hr, size, scale))
