"""FSRCNN: Dong et al. 2016, "Accelerating the super-resolution convolutional neural network"."""

from srnas_tf.arch.graph import PReLU, Tensor
from srnas_tf.arch.zoo.pieces import conv, deconv

SHRUNKEN = 12 / 56
"""Channels of the mapping convolutions, as a share of the width: those of FSRCNN(56, 12, 4)."""
MAPPINGS = 4


def fsrcnn(y: Tensor, scale: int, width: int) -> Tensor:
    """Feature extraction, shrinking, mapping, expanding, deconvolution, on Y. 12809 parameters.

    Convolutions have 12637 of them (13K in the table). The PReLUs have 172, one slope for each channel.
    """
    shrunken = max(1, round(SHRUNKEN * width))
    x = PReLU(width)(conv(1, width, 5)(y))
    x = PReLU(shrunken)(conv(width, shrunken, 1)(x))
    for _ in range(MAPPINGS):
        x = PReLU(shrunken)(conv(shrunken, shrunken)(x))
    x = PReLU(width)(conv(shrunken, width, 1)(x))
    return deconv(width, 1, 9, scale)(x)
