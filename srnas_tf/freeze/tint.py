"""Errors on flat colours: an int8 file's, and the network's own."""

import numpy as np

from srnas_tf.freeze import ranges
from srnas_tf.train.evaluate import Upscaler

MAX_TINT = 3
"""The largest allowed error of an int8 file, levels of 255."""


def tint(upscale: Upscaler, expected: Upscaler, size: tuple[int, int]) -> int:
    """The largest difference of two upscalers on the corners of RGB, levels of 255.

    Args:
        upscale: the file.
        expected: the network from which it was made.
        size: height and width of the images.
    """
    return max(int(np.abs(_levels(upscale(flat)) - _levels(expected(flat))).max()) for flat in ranges.flats(size))


def own_tint(upscale: Upscaler, scale: int, size: tuple[int, int]) -> int:
    """The largest error of a network itself on the corners of RGB, levels of 255, border included.

    Args:
        upscale: the network.
        scale: its enlargement.
        size: height and width of the images.
    """
    return tint(upscale, lambda flat: flat.repeat(scale, 0).repeat(scale, 1), size)


def _levels(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(int)
