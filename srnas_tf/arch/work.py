"""The work of a network for one pixel, by kinds of layers. Latency models predict from it.

All counts are sums over the frame and the blocks, as parameters and MACs are. A runtime works on vectors of channels. A
convolution's MACs are therefore counted with its channels rounded up to whole vectors, once for each of `VECTORS`.
Runtimes have code of their own for 3 x 3 pixels, so that larger kernels are another kind.
"""

import math
from collections import Counter
from collections.abc import Iterable

from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.arch.block import Block, plan
from srnas_tf.arch.conv import AnyConv, BlueprintConv, Conv, DepthwiseConv, ExpandedConv, SelectiveConv
from srnas_tf.arch.network import STEMS, Network

VECTORS = (8, 16)
"""Channels in a vector: float32 values of AVX2 and of AVX-512. The prices of a machine tell which of them it has."""
LARGER, SMALL = " larger", " 3x3"
"""What the kinds of convolutions end in, by the size of the kernel."""

Work = Counter[str]


def work(network: Network) -> Work:
    """The layers of a network in its deploy form, by kind: their number, and their work for a low-resolution pixel.

    A kind's name counts its layers. With `MACs`, `channels` or `values` behind it, it counts their work in thousands.
    """
    used = network.deployed
    total = of_frame(used)
    for block in used.blocks:
        total += of_block(block, used.width)
    return total


def of_block(block: Block, width: int) -> Work:
    """The work of a block in a network so many channels wide."""
    made = plan(block, width)
    after = [step.trunk + step.branch for step in made.steps]
    convs: list[AnyConv] = [made.first, *(conv for some in after for conv in some), made.last, made.fusion]
    total = of_convs((*convs, *made.attention))
    for conv in (made.first, *(conv for some in after for conv in some), *((made.last,) if made.inside else ())):
        total += _layer(f"activation {block.activation}", channels=conv.out_channels)
    pieces = [channels for _, channels in made.pieces]
    if len(pieces) > 1:
        total += _layer("concatenation", channels=sum(pieces))
    for step in made.steps:
        if step.distilled and not step.tapped:
            total += _layer("split", channels=step.distilled + step.width)
    if ATTENTIONS[block.attention].words != ATTENTIONS["none"].words:
        total += _layer(f"attention {block.attention}", channels=width)
    return total + _layer("sum", channels=width)


def of_frame(network: Network) -> Work:
    """The work of all layers outside the blocks."""
    made, factor = network.frame, STEMS[network.stem].factor(network.scale)
    total = of_convs((*made.conv_first, *made.tail))
    if made.aggregate:
        total += _layer("activation leaky", channels=made.aggregate.out_channels)
        if len(network.blocks) > 1:
            total += _layer("concatenation", channels=made.aggregate.in_channels)
    total += _layer("sum", channels=network.width)
    return total + Counter({"call": 1, "enlarging values": 3 * factor**2 / 1000})


def has_depthwise(counted: Work) -> bool:
    """Whether there are depthwise convolutions."""
    return any(kind.startswith(("depthwise", "dilated")) for kind in counted)


def of_convs(convs: Iterable[AnyConv]) -> Work:
    """The work of convolutions in their deploy form."""
    total: Work = Counter()
    for conv in convs:
        total += _of_conv(conv)
    return total


def _of_conv(conv: AnyConv) -> Work:
    match conv:
        case ExpandedConv():
            return _of_conv(conv.deployed)
        case BlueprintConv():
            return _of_conv(conv.pointwise) + _of_conv(conv.depthwise)
        case SelectiveConv():
            return of_convs((*conv.branches, conv.squeeze, *conv.excites)) + _layer(
                "selection", channels=conv.out_channels
            )
        case DepthwiseConv():
            kind = f"depthwise{_size(conv.kernel)}" if conv.dilation == 1 else "dilated"
            return _layer(kind, conv.channels) + _macs(kind, conv.kernel**2, conv.channels)
        case Conv(pooled=True):
            return Counter({"pooled": 1})
        case Conv():
            kind = "pointwise" if conv.kernel == 1 else f"convolution{_size(conv.kernel)}"
            area, both = 1 / conv.shrunk**2, (conv.in_channels, conv.out_channels)
            return _layer(kind, area * sum(both)) + _macs(kind, area * conv.kernel**2, *both)


def _size(kernel: int) -> str:
    return LARGER if kernel > 3 else SMALL


def _macs(kind: str, pixels: float, *channels: int) -> Work:
    """The MACs of a convolution that reads so many pixels for each, once for each of `VECTORS`."""
    return Counter(
        {
            f"{kind} MACs by {vector}": pixels * math.prod(-(-each // vector) * vector for each in channels) / 1000
            for vector in VECTORS
        }
    )


def _layer(kind: str, channels: float) -> Work:
    return Counter({kind: 1, f"{kind} channels": channels / 1000})
