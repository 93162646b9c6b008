"""FSRCNN: Dong et al. 2016, "Accelerating the super-resolution convolutional neural network"."""

from srnas_tf.arch.graph import PReLU, Tensor
from srnas_tf.arch.zoo.pieces import conv, deconv

D, S, M = 56, 12, 4
"""Feature channels, shrunken channels and mapping layers of FSRCNN(56, 12, 4)."""


def fsrcnn(y: Tensor, scale: int) -> Tensor:
    """Feature extraction, shrinking, mapping, expanding, deconvolution, on Y. 12809 parameters.

    12637 of them are of convolutions (the table's 13K); 172 are the slopes of the PReLUs, one a channel.
    """
    x = PReLU(D)(conv(1, D, 5)(y))
    x = PReLU(S)(conv(D, S, 1)(x))
    for _ in range(M):
        x = PReLU(S)(conv(S, S)(x))
    x = PReLU(D)(conv(S, D, 1)(x))
    return deconv(D, 1, 9, scale)(x)
