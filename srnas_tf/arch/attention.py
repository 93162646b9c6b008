"""The attentions that a block may have, as convolutions that know their cost."""

from collections.abc import Callable
from typing import NamedTuple

from srnas_tf.arch.conv import AnyConv, Conv, DepthwiseConv

CCA_REDUCTION = 16
ESA_CHANNELS = 16
ESA_STRIDE, ESA_POOL = 2, 3
"""The strides of the second convolution and of the pooling behind it."""


class Attention(NamedTuple):
    """A kind of attention.

    Attributes:
        convs: (channels) -> its convolutions, in the order in which data flows.
        words: its name in texts for people.
        fused: whether it stands behind the fusion convolution, not before it.
        pools: whether it looks at the whole image.
        reach: if it does not pool, its receptive field's radius in pixels.
        grid: side of the squares of pixels that it works on, counted from the image's first pixel.
    """

    convs: Callable[[int], tuple[AnyConv, ...]]
    words: str
    fused: bool = False
    pools: bool = False
    reach: int = 0
    grid: int = 1


def _none(channels: int) -> tuple[AnyConv, ...]:
    return ()


def _contrast_aware(channels: int) -> tuple[AnyConv, ...]:
    """The convolutions that squeeze and excite."""
    # The paper divides by 16, which leaves nothing of fewer than 16 channels. Narrow networks keep one channel.
    squeezed = max(1, channels // CCA_REDUCTION)
    return Conv(channels, squeezed, 1, pooled=True), Conv(squeezed, channels, 1, pooled=True)


def _enhanced_spatial(channels: int) -> tuple[AnyConv, ...]:
    """The convolutions: squeeze; one at full size; one at half the size; one at a sixth of it; excite."""
    few, smallest = ESA_CHANNELS, ESA_STRIDE * ESA_POOL
    return (
        Conv(channels, few, 1),
        Conv(few, few, 1),
        Conv(few, few, 3, stride=ESA_STRIDE, shrunk=ESA_STRIDE),
        Conv(few, few, 3, shrunk=smallest),
        Conv(few, channels, 1),
    )


def _large_kernel(channels: int) -> tuple[AnyConv, ...]:
    return Conv(channels, channels, 1), DepthwiseConv(channels, 5), DepthwiseConv(channels, 5, dilation=3)


ATTENTIONS = {
    "none": Attention(_none, "no attention"),
    "cca": Attention(_contrast_aware, "contrast-aware attention", pools=True),  # Hui et al. 2019
    # Liu et al. 2020, as RLFN has it (Kong et al. 2022). Its receptive field has a radius of 18 or 19 pixels.
    "esa": Attention(_enhanced_spatial, "enhanced spatial attention", fused=True, reach=19, grid=6),
    "lka": Attention(_large_kernel, "large-kernel attention", fused=True, reach=8),  # LKDN (Xie et al. 2023)
    "gate": Attention(_none, "a gate without parameters", fused=True),  # SPAN (Wan et al. 2024)
}
