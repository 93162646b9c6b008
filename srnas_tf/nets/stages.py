"""A network cut where it looks at the whole image: what lies between can be run on parts of an image of any size.

A block's attention takes the mean and deviation of each channel over the whole image. The cuts lie before it: a stage
begins with a block's attention and ends with what the next block's is to see. Run stage after stage, each on all parts
of the image, with the moments gathered over all of them, the network gives what it gives for the whole image at once.
Blocks without attention are cut in the same place: a part then needs less of the image around it. An attention that
looks far, but not at everything, stands within a stage, which then looks as far; where it takes pixels together, parts
begin where the whole image's groups begin.

What a stage hands on are three maps of the low-resolution image, in float16: the trunk (width channels), the blocks'
outputs as far as they are brought together already (width; zeros where they go on in a row), and what the attention
will see (as many channels as the block that gathers most; the rest are zeros).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from srnas_tf import arch
from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.arch.block import plan
from srnas_tf.arch.plan import Plan
from srnas_tf.nets.network import SRNet


class Stage(NamedTuple):
    """One of them.

    Attributes:
        run: (maps, moments [2, gathered], mask float32 [1, height, width, 1]) -> (maps, moments); maps are a list of
            [1, height, width, channels]. `moments` are mean and variance of the channels that the attention sees, over
            the whole image. `mask` is 1 where a pixel is the part's own and 0 where it was added for what the stage
            looks at: the moments that come out are of the part's own, the maps are of all, right on the part's own. The
            first stage takes the image alone and ignores the moments; the last one takes the image as a fourth map, and
            gives the enlarged image alone, and zeros.
        reach: how far from a pixel it looks: what a part needs around it where the image goes on.
        channels: of each map that it takes.
        gathered: channels of the moments, in and out.
        grid: what a part sees begins at a multiple of so many pixels.
        pools: whether the network looks at the whole image; if not, parts that overlap by all reaches are exact, too.
    """

    run: Callable
    reach: int
    channels: tuple[int, ...]
    gathered: int
    grid: int = 1
    pools: bool = True


def stages(network) -> list[Stage]:
    """The stages of a network; none where it cannot be cut.

    That is where it is not of the IMDN family, begins with a strided stem, or pools elsewhere than in its attention.
    """
    if not isinstance(network, SRNet) or network.stem.enlarges:
        return []
    blocks = network.network.blocks
    plans = [plan(block, network.width) for block in blocks]
    if any(isinstance(p.first, arch.SelectiveConv) for p in plans):
        return []
    most = max(p.fusion.inputs for p in plans)
    maps, image = (network.width, network.width, most), (3,)
    attentions = [ATTENTIONS[p.attends] for p in plans]
    grid = math.lcm(*(attention.grid for attention in attentions))
    pools = any(attention.pools for attention in attentions)

    def begin(maps, moments, mask):
        return _begin(network, most, maps, mask)

    made = [Stage(begin, 1 + _reach(plans[0]), image, most, grid, pools)]
    for i, p in enumerate(plans):
        last = i == len(blocks) - 1
        reach = p.fusion.kernel // 2 + attentions[i].reach + (2 if last else _reach(plans[i + 1]))

        def go_on(maps, moments, mask, i=i):
            return _go_on(network, i, most, maps, moments, mask)

        made.append(Stage(go_on, reach, maps + image if last else maps, most, grid, pools))
    return made


def _reach(p: Plan) -> int:
    """How far what a block gathers looks from its pixel."""
    reach = furthest = _radius(p.first)
    for step in p.steps:
        furthest = max(furthest, reach + sum(map(_radius, step.branch)))
        reach += sum(map(_radius, step.trunk))
    return max(furthest, reach + _radius(p.last))


def _radius(conv: arch.AnyConv) -> int:
    return max(conv.kernels) // 2


def _begin(network: SRNet, most: int, maps, mask):
    [image] = maps
    features = network.head(image)
    together = ops.zeros_like(features)
    if network.stem.concatenates:  # by a 1x1 conv: its bias; the blocks' shares are added one by one
        together = together + network.aggregate.bias
    return _hand_on(features, together, network.blocks[0].gather(features), most, mask)


def _go_on(network: SRNet, i: int, most: int, maps, moments, mask):
    """The end of block i, and the next block up to its attention or, after the last, the end of the network."""
    width = network.width
    trunk, together, gathered = (ops.cast(each, "float32") for each in maps[:3])
    own = network.blocks[i].plan.fusion.inputs
    if own < most:
        gathered, moments = gathered[..., :own], moments[:, :own]
    trunk = network.blocks[i].join(trunk, gathered, moments)
    if network.stem.concatenates:
        kernel = network.aggregate.kernel[:, :, i * width : (i + 1) * width]
        together = together + ops.conv(trunk, kernel, padding="same")
    if i + 1 < len(network.blocks):
        return _hand_on(trunk, together, network.blocks[i + 1].gather(trunk), most, mask)
    x = network.aggregate.activation(together) if network.stem.concatenates else trunk
    x = network.smooth(x) + network.head(maps[3])
    return [ops.depth_to_space(network.upsample(x), network.scale)], ops.zeros((2, most))


def _hand_on(trunk, together, gathered, most: int, mask):
    missing = ((0, 0), (0, 0), (0, 0), (0, most - gathered.shape[-1]))
    gathered = ops.pad(gathered, missing) if missing[3][1] else gathered
    maps = [ops.cast(each, "float16") for each in (trunk, together, gathered)]
    return maps, _moments(gathered, mask)


def _moments(x, mask):
    """Mean and variance of the pixels where the mask is 1, [2, channels]."""

    # The pixels are masked, not cut out: runtimes share the work out only where they know all shapes beforehand.
    def mean(values):
        return ops.mean(values * mask, axis=(1, 2), keepdims=True) / share

    share = ops.mean(mask, axis=(1, 2), keepdims=True)
    middle = mean(x)
    return ops.reshape(ops.stack([middle, mean(ops.square(x - middle))]), (2, x.shape[-1]))
