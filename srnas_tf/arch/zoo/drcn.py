"""DRCN: Kim et al. 2016, "Deeply-recursive convolutional network for image super-resolution"."""

from srnas_tf.arch.graph import Tensor, WeightedSum
from srnas_tf.arch.zoo.pieces import conv, relu

RECURSIONS = 16


def drcn(y: Tensor, scale: int, width: int) -> Tensor:
    """One convolution applied 16 times on the enlarged Y; each result is reconstructed, and all are mixed.

    1775121 parameters, 16 of them the mixing weights (the paper's recursive supervision is a matter of its loss).
    """
    recursion = conv(width, width)
    reconstruct, to_image = conv(width, width), conv(width, 1)
    x = relu(conv(1, width)(y))
    x = relu(conv(width, width)(x))
    predictions = []
    for _ in range(RECURSIONS):
        x = relu(recursion(x))
        predictions.append(y + to_image(relu(reconstruct(x))))
    return WeightedSum(RECURSIONS)(*predictions)
