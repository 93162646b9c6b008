"""DRRN: Tai et al. 2017, "Image super-resolution via deep recursive residual network"."""

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import Activated, Norm, conv

UNITS = 25


def drrn(y: Tensor, scale: int, width: int) -> Tensor:
    """B1U25: one residual unit applied 25 times to the enlarged luma. Each time, the same first features are added.

    It has 297986 parameters: 297216 of convolutions, which have no biases, and 770 of the batch norms before them. The
    norms share gains and offsets, but each application has its own statistics. There is no ReLU before the first
    convolution: it would cut off the dark half of the image.
    """
    entry = conv(1, width, bias=False)(Norm(1)(y))
    first, second = Activated(width, width), Activated(width, width)
    x = entry
    for _ in range(UNITS):
        x = entry + second(first(x))
    return y + Activated(width, 1)(x)
