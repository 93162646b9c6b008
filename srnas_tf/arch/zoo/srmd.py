"""SRMD: Zhang et al. 2018, "Learning a single convolutional super-resolution network for multiple degradations"."""

from srnas_tf.arch.graph import PixelShuffle, Stretch, Tensor
from srnas_tf.arch.zoo.pieces import conv, relu

CODE = (1.0, *(0.0,) * 14)
"""The code of the blur kernel if only the bicubic reduction degrades the image.

The paper projects kernels on 15 principal components. Only one kernel occurs here. The first convolution can undo any
rotation of the components, so that the first component can be this kernel.
"""


def srmdnf(image: Tensor, scale: int, width: int) -> Tensor:
    """SRMDNF, for images without noise. Its input is RGB and the stretched code of the degradation.

    It has 1510540, 1527835 and 1552048 parameters at x2, x3 and x4. The paper's batch norms are omitted, as in its
    count, since they can be folded into the convolutions.
    """
    x = Stretch(CODE)(image)
    x = relu(conv(3 + len(CODE), width)(x))
    for _ in range(10):
        x = relu(conv(width, width)(x))
    return PixelShuffle(scale)(conv(width, 3 * scale**2)(x))
