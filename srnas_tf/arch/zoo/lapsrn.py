"""LapSRN: Lai et al. 2017, "Deep Laplacian pyramid networks for fast and accurate super-resolution"."""

from srnas_tf.arch.graph import Resample, Tensor
from srnas_tf.arch.zoo.pieces import conv, deconv, leaky

CONVS = 5
"""Convolutions of a level. The paper's own networks have 10; the table's count implies 5."""
SLOPE = 0.2


def lapsrn(y: Tensor, scale: int, width: int) -> Tensor:
    """A Laplacian pyramid on luma. Each level enlarges by 2. 251474 parameters at x2, 502308 at x3 and x4.

    x3 is the x4 network with its output reduced by bicubic. The image branch is initialized as a bilinear enlargement,
    as in the paper. The paper's loss also includes the levels between.
    """
    x = leaky(conv(1, width)(y), SLOPE)
    for _ in range(1 if scale == 2 else 2):
        for _ in range(CONVS):
            x = leaky(conv(width, width)(x), SLOPE)
        x = leaky(deconv(width, width, 4, 2)(x), SLOPE)
        y = deconv(1, 1, 4, 2, start="bilinear")(y) + conv(width, 1)(x)
    return Resample(3, 4)(y) if scale == 3 else y
