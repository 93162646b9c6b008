"""How near an int8 file is to its network, and a network to flat colours."""

import numpy as np

from srnas_tf.freeze import ranges
from srnas_tf.metrics import to_uint8
from srnas_tf.train.evaluate import Upscaler

MAX_TINT = 3
"""The largest allowed error of an int8 file on flat colours, levels of 255."""
MIN_AGREEMENT = 50.0
"""dB between the outputs of an int8 file and its network. A network of 31 dB then loses some 0.05 dB."""


def tint(upscale: Upscaler, expected: Upscaler, size: tuple[int, int]) -> int:
    """The largest difference of two upscalers on the corners of RGB, levels of 255.

    Args:
        upscale: the file.
        expected: the network from which it was made.
        size: height and width of the images.
    """
    return max(int(np.abs(_levels(upscale(flat)) - _levels(expected(flat))).max()) for flat in ranges.flats(size))


def agreement(upscale: Upscaler, expected: Upscaler, images: np.ndarray) -> float:
    """PSNR (dB) between the outputs of two upscalers, over all pixels and channels.

    Args:
        upscale: the file.
        expected: the network from which it was made.
        images: float32 [n, height, width, 3] in 0..1.
    """
    errors = [np.clip(upscale(image), 0, 1) - np.clip(expected(image), 0, 1) for image in images]
    return float(-10 * np.log10(np.maximum(np.mean(np.square(errors)), 1e-20)))


def own_tint(upscale: Upscaler, scale: int, size: tuple[int, int]) -> int:
    """The largest error of a network itself on the corners of RGB, levels of 255, border included.

    Args:
        upscale: the network.
        scale: its enlargement.
        size: height and width of the images.
    """
    return tint(upscale, lambda flat: flat.repeat(scale, 0).repeat(scale, 1), size)


def _levels(image: np.ndarray) -> np.ndarray:
    return to_uint8(image).astype(int)
