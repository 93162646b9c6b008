"""SRMD: Zhang et al. 2018, "Learning a single convolutional super-resolution network for multiple degradations"."""

from srnas_tf.arch.graph import PixelShuffle, Stretch, Tensor
from srnas_tf.arch.zoo.pieces import conv, relu

CODE = (1.0, *(0.0,) * 14)
"""The blur kernel's code where nothing but the bicubic reduction degrades the image.

The paper projects kernels on 15 principal components. Only one kernel occurs here, and the first convolution can undo
any rotation of the components: the first of them is chosen to be that kernel.
"""


def srmdnf(image: Tensor, scale: int, width: int) -> Tensor:
    """SRMDNF, noise-free: RGB and the stretched code of the degradation. 1510540, 1527835, 1552048 parameters.

    The paper's batch norms are left out, as they are in its count: they fold into the convolutions.
    """
    x = Stretch(CODE)(image)
    x = relu(conv(3 + len(CODE), width)(x))
    for _ in range(10):
        x = relu(conv(width, width)(x))
    return PixelShuffle(scale)(conv(width, 3 * scale**2)(x))
