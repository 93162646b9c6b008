"""Bicubic interpolation: the baseline of every table."""

from srnas_tf.arch.graph import Resample, Tensor


def bicubic(image: Tensor, scale: int, width: int) -> Tensor:
    """MATLAB's `imresize`, without its rounding to whole levels. It has no parameters and nothing to train."""
    return Resample(scale)(image)
