"""How far a file that is int8 inside is from its network on flat colours."""

import numpy as np

from srnas_tf.freeze import ranges
from srnas_tf.train.evaluate import Upscaler

MAX_TINT = 3
"""Levels of 255 that an int8 file may be off."""


def tint(upscale: Upscaler, expected: Upscaler, size: tuple[int, int]) -> int:
    """The largest difference of two upscalers on the corners of RGB, levels of 255.

    Args:
        upscale: the file.
        expected: what it was made from.
        size: height and width of the images.
    """
    return max(int(np.abs(_levels(upscale(flat)) - _levels(expected(flat))).max()) for flat in ranges.flats(size))


def _levels(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(int)
