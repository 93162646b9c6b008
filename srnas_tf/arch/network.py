"""A network is a value: scale, width and its blocks. Parameters and MACs are functions of it."""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from srnas_tf.arch.block import Block, plan
from srnas_tf.arch.conv import CONVS, AnyConv, Conv, trainable_params
from srnas_tf.errors import UserError

SCALES = (2, 3, 4)
MAX_BLOCKS, MAX_CHANNELS = 1000, 4096
"""Limits of any network. They are ten times the largest that was trained, and small enough that a mistyped number does
not take all memory.
"""

HD_PIXELS = 1280 * 720
"""Output pixels for which MACs are quoted by default."""


class Stem(NamedTuple):
    """The layers before the first block and behind the last one.

    Attributes:
        strides: strides of the 3x3 convolutions before the blocks, with LeakyReLUs between them.
        start: the default first weights, a key of `nets.initial.STARTS`.
        conv_after_body: a key of `conv.CONVS`, the kind of the convolution after the blocks.
        upsample: a key of `conv.CONVS`, the kind of the convolution before the pixel shuffle.
        concatenates: whether the outputs of all blocks are concatenated. If not, only the last block's output is used.
        deployed_as: the stem of its deploy form; empty if that is the same.
    """

    strides: tuple[int, ...]
    start: str
    conv_after_body: str = "plain"
    upsample: str = "plain"
    deployed_as: str = ""
    concatenates: bool = True

    @property
    def enlarges(self) -> bool:
        """Whether the stem first enlarges the image, by bicubic. The strides then reduce it again."""
        return math.prod(self.strides) > 1

    def factor(self, scale: int) -> int:
        """The factor of the pixel shuffle at the end."""
        return math.prod(self.strides) if self.enlarges else scale

    def convs(self, width: int) -> tuple[Conv, ...]:
        in_channels = (3, *(width for _ in self.strides))
        return tuple(Conv(i, width, stride=stride) for i, stride in zip(in_channels, self.strides, strict=False))


STEMS = {
    "plain": Stem((1,), "interpolation"),
    "light": Stem((1,), "interpolation", "blueprint"),
    "thin": Stem((1,), "interpolation", "blueprint", "blueprint"),
    "expanded": Stem((1,), "interpolation", "expanded_blueprint", "expanded_blueprint", deployed_as="thin"),
    "row": Stem((1,), "interpolation", "blueprint", concatenates=False),  # as SMRN's
    "thin_row": Stem((1,), "interpolation", "blueprint", "blueprint", concatenates=False),
    "expanded_row": Stem(
        (1,), "interpolation", "expanded_blueprint", "expanded_blueprint", deployed_as="thin_row", concatenates=False
    ),
    "strided": Stem((2, 2), "uniform"),  # IMDN_AS, for any scale (Hui et al. 2019, section 3.4)
}


@dataclass(frozen=True)
class Network:
    """A network of the IMDN family.

    Its layers (Hui et al. 2019, figure 2): a first conv 3 -> width; the blocks in a row; the concatenation of all block
    outputs; a 1x1 conv and LeakyReLU; a 3x3 conv, to which the first conv's output is added; a 3x3 conv to 3 * scale^2
    channels; pixel shuffle. Stems with `row` in their names leave out the concatenation and its 1x1 conv.

    Its text form, `x4:w64:imdn:r0.25:k3:f1:SCSCS-SCSCS`, holds every field. The first block's options stand before the
    recipes. A block that differs adds its own options (`SCSCS+k5`). A stem that is not plain stands after the width.
    Three defaults are left out: the ending's own attention (else `a.none`), the network's width inside a block (else
    `i0.5`), and LeakyReLU (else `act.silu`).

    Args:
        scale: 2, 3 or 4.
        width: channels of the trunk, >= 1.
        blocks: at least one.
        stem: a key of `STEMS`.
    """

    scale: int
    width: int
    blocks: tuple[Block, ...]
    stem: str = "plain"

    def __post_init__(self) -> None:
        check_frame(self.scale, self.width, len(self.blocks))
        if self.stem not in STEMS:
            raise UserError(f"stem {self.stem!r} is unknown; choose one of {', '.join(STEMS)}")

    @property
    def hyperparameters(self) -> dict[str, int | str]:
        """The hyperparameters that flags can give any network of this family."""
        return {"scale": self.scale, "width": self.width, "depth": len(self.blocks), "stem": self.stem}

    @property
    def frame(self) -> "Frame":
        """The convolutions outside the blocks."""
        return frame(self.scale, self.width, len(self.blocks), self.stem)

    @property
    def params(self) -> int:
        """Weights and biases of all convolutions."""
        return self.frame.params + sum(plan(block, self.width).params for block in self.blocks)

    @property
    def trainable_params(self) -> int:
        """Number of trainable parameters during training: more than `params` if convolutions are expanded."""
        return self.frame.trainable_params + sum(plan(block, self.width).trainable_params for block in self.blocks)

    @property
    def deployed(self) -> "Network":
        """Its deploy form: each expanded convolution is the one that it equals."""
        blocks = tuple(block.deployed for block in self.blocks)
        return dataclasses.replace(self, blocks=blocks, stem=STEMS[self.stem].deployed_as or self.stem)

    def pixels(self, output_pixels: int = HD_PIXELS) -> int:
        """Pixels that the blocks work on, for an output of `output_pixels`."""
        return output_pixels // STEMS[self.stem].factor(self.scale) ** 2

    def macs(self, output_pixels: int = HD_PIXELS) -> int:
        """Multiply-accumulates of all convolutions for an output of `output_pixels` (1280x720 unless given)."""
        pixels = self.pixels(output_pixels)
        return self.frame.macs(pixels) + sum(plan(block, self.width).macs(pixels) for block in self.blocks)

    def costs(self, output_pixels: int = HD_PIXELS) -> list[dict]:
        """Parameters and MACs of each block."""
        return block_costs(self.blocks, self.width, self.pixels(output_pixels))

    @property
    def recipes(self) -> str:
        """The recipes alone: `SCCC-SSSC`."""
        return "-".join(block.recipe for block in self.blocks)

    def __str__(self) -> str:
        common = self.blocks[0].options
        parts = []
        for block in self.blocks:
            parts.append("+".join([block.recipe, *block.options_after(common)]))
        stem = [] if self.stem == "plain" else [self.stem]
        return ":".join([f"x{self.scale}", f"w{self.width}", *stem, *common, "-".join(parts)])

    @classmethod
    def parse(cls, text: str) -> "Network":
        """The inverse of `str`.

        Raises:
            UserError: if the text is not of that form.
        """
        match = re.fullmatch(rf"x(\d{{1,9}}):w(\d{{1,9}}):(?:({'|'.join(STEMS)}):)?(?:(.+):)?([^:]+)", text)
        if not match:
            raise UserError(f"architecture {text!r} is not of the form x4:w64:imdn:r0.25:k3:f1:SCSCS-SCSCS")
        scale, width, stem, options, recipes = match.groups()
        common = tuple(options.split(":")) if options else ()
        blocks = tuple(Block.parse(part, common) for part in recipes.split("-"))
        return cls(int(scale), int(width), blocks, stem or "plain")


def check_scale(scale: int) -> None:
    """Refuses a scale that no network has."""
    if scale not in SCALES:
        raise UserError(f"--scale={scale}: choose one of {', '.join(map(str, SCALES))}")


def check_frame(scale: int, width: int, depth: int) -> None:
    """Refuses a scale, width or depth that no network has."""
    check_scale(scale)
    if not 1 <= width <= MAX_CHANNELS:
        raise UserError(f"--width={width}: a network has 1 to {MAX_CHANNELS} channels")
    if not 1 <= depth <= MAX_BLOCKS:
        raise UserError(f"--depth={depth}: a network has 1 to {MAX_BLOCKS} blocks")


def block_costs(blocks: Iterable[Block], width: int, pixels: int) -> list[dict]:
    """Recipe, parameters and MACs of each block, at `pixels` low-resolution pixels."""
    plans = [(block, plan(block, width)) for block in blocks]
    return [{"recipe": block.recipe, "params": p.params, "macs": p.macs(pixels)} for block, p in plans]


class Frame(NamedTuple):
    """The convolutions outside the blocks. 66480 + 4096 * depth parameters at x4, width 64."""

    conv_first: tuple[Conv, ...]
    aggregate: Conv | None
    conv_after_body: AnyConv
    upsample: AnyConv

    @property
    def tail(self) -> tuple[AnyConv, ...]:
        """The convolutions behind the blocks."""
        return tuple(conv for conv in self[1:] if conv)

    @property
    def params(self) -> int:
        return sum(conv.params for conv in (*self.conv_first, *self.tail))

    @property
    def trainable_params(self) -> int:
        """Number of trainable parameters during training."""
        return sum(map(trainable_params, (*self.conv_first, *self.tail)))

    def macs(self, pixels: int) -> int:
        """Multiply-accumulates if the blocks work on `pixels` pixels."""
        total, size = sum(conv.macs(pixels) for conv in self.tail), pixels
        for conv in reversed(self.conv_first):
            total, size = total + conv.macs(size), size * conv.stride**2
        return total


def frame(scale: int, width: int, depth: int, stem: str = "plain") -> Frame:
    """The convolutions outside `depth` blocks."""
    kind = STEMS[stem]
    conv_after_body = CONVS[kind.conv_after_body].make(width, width, (3,))
    upsample = CONVS[kind.upsample].make(width, 3 * kind.factor(scale) ** 2, (3,))
    aggregate = Conv(depth * width, width, 1) if kind.concatenates else None
    return Frame(kind.convs(width), aggregate, conv_after_body, upsample)


def imdn(scale: int = 4, width: int = 64, depth: int = 6, stem: str = "plain") -> Network:
    """IMDN (Hui et al. 2019): 694404, 703059 and 715176 parameters at x2, x3 and x4.

    With the stem "strided" it is IMDN_AS, whose 752104 parameters serve any scale.
    """
    return Network(scale, width, (Block("SCSCS"),) * depth, stem)


def imdn_of_size(params: int, scale: int, depth: int) -> Network:
    """The narrowest IMDN of that depth with at least `params` parameters: the baseline for a network of that size."""
    widths = itertools.count(4)  # a split of fewer than 4 channels at rate 0.25 distils none
    return next(network for width in widths if (network := imdn(scale, width, depth)).params >= params)
