"""DRCN: Kim et al. 2016, "Deeply-recursive convolutional network for image super-resolution"."""

from srnas_tf.arch.graph import Tensor, WeightedSum
from srnas_tf.arch.zoo.pieces import conv, relu

RECURSIONS = 16


def drcn(y: Tensor, scale: int, width: int) -> Tensor:
    """Applies one convolution 16 times to the enlarged luma. The output is a weighted sum of 16 reconstructions.

    It has 1775121 parameters, 16 of which are the weights of that sum. The paper's recursive supervision only concerns
    its loss.
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
