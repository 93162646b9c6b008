"""What a block may weigh its channels by, as convolutions that know what they cost."""

from collections.abc import Callable
from typing import NamedTuple

from srnas_tf.arch.conv import AnyConv, Conv, DepthwiseConv

CCA_REDUCTION = 16
ESA_CHANNELS = 16
ESA_STRIDE, ESA_POOL = 2, 3
"""How much smaller its second convolution makes a side, and its pool after that."""


class Attention(NamedTuple):
    """A kind of attention.

    Attributes:
        convs: (channels) -> its convolutions, in the order in which data flows.
        words: what a reader knows it by.
        fused: whether it stands behind the fusion convolution; before it otherwise.
        pools: whether it looks at the whole image.
        reach: how far it looks otherwise, in pixels.
        grid: it takes pixels together by so many a side, counted from the image's first one.
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
    """What squeezes, and what excites."""
    # The paper's reduction of 16 leaves nothing of fewer than 16 channels: narrow networks keep one.
    squeezed = max(1, channels // CCA_REDUCTION)
    return Conv(channels, squeezed, 1, pooled=True), Conv(squeezed, channels, 1, pooled=True)


def _enhanced_spatial(channels: int) -> tuple[AnyConv, ...]:
    """What squeezes; what goes on at full size; two that look around at a half and a sixth of it; what excites."""
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
    # Liu et al. 2020, as RLFN has it (Kong et al. 2022). From a pixel it is 18 or 19 to the furthest that counts.
    "esa": Attention(_enhanced_spatial, "enhanced spatial attention", fused=True, reach=19, grid=6),
    "lka": Attention(_large_kernel, "large-kernel attention", fused=True, reach=8),  # LKDN (Xie et al. 2023)
    "gate": Attention(_none, "a gate without parameters", fused=True),  # SPAN (Wan et al. 2024)
}
