"""DRRN: Tai et al. 2017, "Image super-resolution via deep recursive residual network"."""

from srnas_tf.arch.graph import Tensor
from srnas_tf.arch.zoo.pieces import Activated, Norm, conv

UNITS = 25


def drrn(y: Tensor, scale: int, width: int) -> Tensor:
    """B1U25: one residual unit applied 25 times on the enlarged Y, each time around the same entry.

    297986 parameters: 297216 of convolutions, which have no biases, and 770 of the norms before them, whose gains are
    shared like the weights; the statistics that they divide by are of each application. No ReLU stands before the
    entry: it would cut off the dark half of the image.
    """
    entry = conv(1, width, bias=False)(Norm(1)(y))
    first, second = Activated(width, width), Activated(width, width)
    x = entry
    for _ in range(UNITS):
        x = entry + second(first(x))
    return y + Activated(width, 1)(x)
