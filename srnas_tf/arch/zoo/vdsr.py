"""VDSR: Kim et al. 2016, "Accurate image super-resolution using very deep convolutional networks"."""

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import conv, relu


def vdsr(y: Tensor, scale: int, width: int) -> Tensor:
    """20 convolutions that learn the residual of the enlarged luma. 665921 parameters, 664704 without biases."""
    x = relu(conv(1, width)(y))
    for _ in range(18):
        x = relu(conv(width, width)(x))
    return y + conv(width, 1)(x)
