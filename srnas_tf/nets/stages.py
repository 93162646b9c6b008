"""A network cut into stages, each of which can run on the tiles of an image of any size.

A block's attention uses the mean and deviation of each channel over the whole image. The network is cut before each
attention. A stage begins with a block's attention, and ends before the next block's. The stages run one after the
other, each on all tiles of the image. The moments are gathered over all tiles. The result equals that of the whole
image at once. Blocks without attention are cut in the same place, because a tile then needs less of the image around
it. An attention with a limited receptive field stands within a stage. If it works on squares of pixels, tiles begin
where such squares begin.

A stage passes on three maps of the low-resolution image, in float16. The first is the trunk (width channels). The
second is the sum so far of the aggregating convolution (width channels; zeros if there is none). The third is the input
of the attention. It has the channels of the widest one, and zeros fill it up.
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
    """A stage of a network.

    Attributes:
        run: (maps, moments [2, gathered], mask float32 [1, height, width, 1]) -> (maps, moments). `maps` is a list of
            [1, height, width, channels]. `moments` are mean and variance of the attention's input over the whole image.
            `mask` is 1 for the tile's own pixels and 0 for those around it. The moments that come out are of the tile's
            own pixels. The maps that come out are right on the tile's own pixels. The first stage takes the image alone
            and ignores the moments. The last one takes the image as a fourth map, and returns the enlarged image and
            zeros.
        reach: the pixels that a tile needs around it.
        channels: channels of each input map.
        gathered: channels of the moments, in and out.
        grid: a tile, with the pixels around it, begins at a multiple of this.
        pools: whether the network looks at the whole image. If not, tiles that overlap by all reaches are exact, too.
    """

    run: Callable
    reach: int
    channels: tuple[int, ...]
    gathered: int
    grid: int = 1
    pools: bool = True


def stages(network) -> list[Stage]:
    """The stages of a network; none if it cannot be cut.

    A network cannot be cut if it is not of the IMDN family, has a strided stem, or pools outside its attention.
    """
    if not isinstance(network, SRNet) or network.stem.enlarges:
        return []
    blocks = network.network.blocks
    plans = [plan(block, network.width) for block in blocks]
    if any(isinstance(p.first, arch.SelectiveConv) for p in plans):
        return []
    most = max(p.fusion.in_channels for p in plans)
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
    """Radius in pixels of the receptive field of a block's concatenation."""
    reach = furthest = _radius(p.first)
    for step in p.steps:
        furthest = max(furthest, reach + sum(map(_radius, step.branch)))
        reach += sum(map(_radius, step.trunk))
    return max(furthest, reach + _radius(p.last))


def _radius(conv: arch.AnyConv) -> int:
    return max(conv.kernels) // 2


def _begin(network: SRNet, most: int, maps, mask):
    [image] = maps
    features = network.conv_first(image)
    together = ops.zeros_like(features)
    if network.stem.concatenates:  # by a 1x1 conv: its bias; the blocks' shares are added one by one
        together = together + network.aggregate.bias
    return _hand_on(features, together, network.blocks[0].gather(features), most, mask)


def _go_on(network: SRNet, i: int, most: int, maps, moments, mask):
    """The end of block i, and the next block up to its attention. After the last block, the end of the network."""
    width = network.width
    trunk, together, gathered = (ops.cast(each, "float32") for each in maps[:3])
    own = network.blocks[i].plan.fusion.in_channels
    if own < most:
        gathered, moments = gathered[..., :own], moments[:, :own]
    trunk = network.blocks[i].join(trunk, gathered, moments)
    if network.stem.concatenates:
        kernel = network.aggregate.kernel[:, :, i * width : (i + 1) * width]
        together = together + ops.conv(trunk, kernel, padding="same")
    if i + 1 < len(network.blocks):
        return _hand_on(trunk, together, network.blocks[i + 1].gather(trunk), most, mask)
    x = network.aggregate.activation(together) if network.stem.concatenates else trunk
    x = network.conv_after_body(x) + network.conv_first(maps[3])
    return [ops.depth_to_space(network.upsample(x), network.scale)], ops.zeros((2, most))


def _hand_on(trunk, together, gathered, most: int, mask):
    missing = ((0, 0), (0, 0), (0, 0), (0, most - gathered.shape[-1]))
    gathered = ops.pad(gathered, missing) if missing[3][1] else gathered
    maps = [ops.cast(each, "float16") for each in (trunk, together, gathered)]
    return maps, _moments(gathered, mask)


def _moments(x, mask):
    """Mean and variance of the pixels whose mask is 1, [2, channels]."""

    # The pixels are masked, not cut out: runtimes use several threads only if they know all shapes beforehand.
    def mean(values):
        return ops.mean(values * mask, axis=(1, 2), keepdims=True) / share

    share = ops.mean(mask, axis=(1, 2), keepdims=True)
    middle = mean(x)
    return ops.reshape(ops.stack([middle, mean(ops.square(x - middle))]), (2, x.shape[-1]))
