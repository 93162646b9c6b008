"""SRCNN: Dong et al. 2014, "Learning a deep convolutional network for image super-resolution"."""

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import conv, relu


def srcnn(y: Tensor, scale: int, width: int) -> Tensor:
    """9-1-5: patch extraction, non-linear mapping, reconstruction, on the enlarged Y. 8129 parameters.

    The paper's convolutions lose their borders; these are padded, so that the output is as large as the input.
    """
    x = relu(conv(1, width, 9)(y))
    x = relu(conv(width, width // 2, 1)(x))
    return conv(width // 2, 1, 5)(x)
