"""EDSR: Lim et al. 2017, "Enhanced deep residual networks for single image super-resolution"."""

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import conv, relu, upsample, with_mean, without_mean

BLOCKS = 16


def edsr_baseline(image: Tensor, scale: int, width: int) -> Tensor:
    """The baseline: 16 residual blocks of 64 channels. 1369859, 1554499 and 1517571 parameters at x2, x3 and x4."""
    entry = conv(3, width)(without_mean(image))
    x = entry
    for _ in range(BLOCKS):
        x = x + conv(width, width)(relu(conv(width, width)(x)))
    x = entry + conv(width, width)(x)
    return with_mean(conv(width, 3)(upsample(x, width, scale)))
