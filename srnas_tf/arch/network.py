"""A network is a value: scale, width and its blocks. Parameters and MACs are functions of it."""

import itertools
import re
from dataclasses import dataclass

from srnas_tf.arch.block import Block, Conv, plan
from srnas_tf.errors import UserError

SCALES = (2, 3, 4)
HD_PIXELS = 1280 * 720
"""Output pixels at which MACs are quoted unless said otherwise."""


@dataclass(frozen=True)
class Network:
    """A network of the IMDN family.

    A first conv 3 -> width; the blocks in a row; all block outputs concatenated, a 1x1 conv and LeakyReLU; a 3x3 conv,
    plus the first conv's output; a 3x3 conv to 3 * scale^2 channels; pixel shuffle (Hui et al. 2019, figure 2).

    Its text form, `x4:w64:imdn:r0.25:k3:f1:SCSCS-SCSCS`, holds every field: the first block's options stand before the
    recipes, and a block that differs adds its own (`SCSCS+k5`).

    Args:
        scale: 2, 3 or 4.
        width: channels of the trunk, >= 1.
        blocks: at least one.
    """

    scale: int
    width: int
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        check_frame(self.scale, self.width, len(self.blocks))

    @property
    def frame(self) -> tuple[Conv, ...]:
        """The convolutions outside the blocks: head, aggregation, smoothing, upsampling."""
        return frame(self.scale, self.width, len(self.blocks))

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self.frame) + sum(plan(block, self.width).params for block in self.blocks)

    def macs(self, output_pixels: int = HD_PIXELS) -> int:
        """Multiply-accumulates of all convolutions for an output of `output_pixels` (1280x720 unless given)."""
        pixels = output_pixels // self.scale**2
        blocks = sum(plan(block, self.width).macs(pixels) for block in self.blocks)
        return sum(conv.macs(pixels) for conv in self.frame) + blocks

    @property
    def recipes(self) -> str:
        """The recipes alone: `SCCC-SSSC`."""
        return "-".join(block.recipe for block in self.blocks)

    def __str__(self) -> str:
        common = self.blocks[0].options
        parts = []
        for block in self.blocks:
            own = [option for option, usual in zip(block.options, common, strict=True) if option != usual]
            parts.append("+".join([block.recipe, *own]))
        return ":".join([f"x{self.scale}", f"w{self.width}", *common, "-".join(parts)])

    @classmethod
    def parse(cls, text: str) -> "Network":
        """The inverse of `str`.

        Raises:
            UserError: where the text is not of that form.
        """
        match = re.fullmatch(r"x(\d+):w(\d+):(?:(.+):)?([^:]+)", text)
        if not match:
            raise UserError(f"architecture {text!r} is not of the form x4:w64:imdn:r0.25:k3:f1:SCSCS-SCSCS")
        options = tuple(match[3].split(":")) if match[3] else ()
        blocks = tuple(Block.parse(part, options) for part in match[4].split("-"))
        return cls(int(match[1]), int(match[2]), blocks)


def check_frame(scale: int, width: int, depth: int) -> None:
    """Refuses a scale, width or depth that no network has."""
    if scale not in SCALES:
        raise UserError(f"--scale={scale}: choose one of {', '.join(map(str, SCALES))}")
    if width < 1:
        raise UserError(f"--width={width}: a network has at least 1 channel")
    if depth < 1:
        raise UserError(f"--depth={depth}: a network has at least 1 block")


def frame(scale: int, width: int, depth: int) -> tuple[Conv, ...]:
    """The convolutions outside the blocks, in order. 66480 + 4096 * depth parameters at x4, width 64."""
    return (Conv(3, width), Conv(depth * width, width, 1), Conv(width, width), Conv(width, 3 * scale**2))


def imdn(scale: int = 4, width: int = 64, depth: int = 6) -> Network:
    """IMDN (Hui et al. 2019): 694404, 703059 and 715176 parameters at x2, x3 and x4."""
    return Network(scale, width, (Block("SCSCS"),) * depth)


def imdn_of_size(params: int, scale: int, depth: int) -> Network:
    """The narrowest IMDN of that depth with at least `params` parameters: the baseline for a network of that size."""
    widths = itertools.count(4)  # a split of fewer than 4 channels at rate .25 distils none
    return next(network for width in widths if (network := imdn(scale, width, depth)).params >= params)
