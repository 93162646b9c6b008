"""SRCNN: Dong et al. 2014, "Learning a deep convolutional network for image super-resolution"."""

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import conv, relu


def srcnn(y: Tensor, scale: int, width: int) -> Tensor:
    """9-1-5: patch extraction, non-linear mapping and reconstruction of the enlarged luma. 8129 parameters.

    The convolutions are padded, so that the output is as large as the input. Those of the paper are not.
    """
    x = relu(conv(1, width, 9)(y))
    x = relu(conv(width, width // 2, 1)(x))
    return conv(width // 2, 1, 5)(x)
