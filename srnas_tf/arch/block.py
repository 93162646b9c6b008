"""A block is a recipe: letters that split and convolve, and an ending that brings the pieces together.

The grammar covers IMDN's information multi-distillation block (Hui et al. 2019) and every path of the thesis'
supernets. `plan` turns a block into its convolutions; parameters, MACs and the Keras layer all follow from the plan.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from srnas_tf.errors import UserError

CCA_REDUCTION = 16
MOST_LETTERS, MOST_KERNEL = 64, 31
"""Of a recipe, and pixels across a convolution: several times what anybody trained."""


@dataclass(frozen=True)
class Conv:
    """A convolution, `kernel` x `kernel`.

    One that is `pooled` runs on an image's pooled statistics: once an image, whatever its size.
    """

    inputs: int
    outputs: int
    kernel: int = 3
    pooled: bool = False
    bias: bool = True
    stride: int = 1

    def macs(self, pixels: int) -> int:
        """Multiply-accumulates for a result of `pixels` pixels."""
        return (1 if self.pooled else pixels) * self.kernel**2 * self.inputs * self.outputs

    @property
    def params(self) -> int:
        return self.kernel**2 * self.inputs * self.outputs + self.bias * self.outputs


@dataclass(frozen=True)
class SelectiveConv:
    """A selective kernel unit (Li et al. 2019): convolutions of several sizes, and attention that mixes them.

    Split: one convolution a kernel size. Fuse: their sum, pooled, squeezed to max(outputs / 16, 32) channels. Select:
    one excitation a branch, and a softmax over the branches for each channel. The paper's batch norms are left out, as
    everywhere in this family; its 5x5 branch is a true 5x5, not a dilated 3x3.
    """

    inputs: int
    outputs: int
    kernels: tuple[int, ...]

    @property
    def branches(self) -> tuple[Conv, ...]:
        return tuple(Conv(self.inputs, self.outputs, kernel) for kernel in self.kernels)

    @property
    def squeeze(self) -> Conv:
        return Conv(self.outputs, max(self.outputs // 16, 32), 1, pooled=True)

    @property
    def excites(self) -> tuple[Conv, ...]:
        return (Conv(self.squeeze.outputs, self.outputs, 1, pooled=True),) * len(self.kernels)

    @property
    def _all(self) -> tuple[Conv, ...]:
        return (*self.branches, self.squeeze, *self.excites)

    def macs(self, pixels: int) -> int:
        return sum(conv.macs(pixels) for conv in self._all)

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self._all)


AnyConv = Conv | SelectiveConv


@dataclass(frozen=True)
class Step:
    """What one letter does to the trunk.

    The first `distilled` channels of the trunk leave for the concatenation, through `branch`; the rest goes on through
    `trunk` and is `width` channels wide afterwards. Every convolution is followed by a LeakyReLU.
    """

    width: int
    distilled: int = 0
    branch: tuple[AnyConv, ...] = ()
    trunk: tuple[AnyConv, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The convolutions of a block, in the order in which data flows."""

    first: AnyConv
    steps: tuple[Step, ...]
    last: AnyConv
    squeeze: Conv
    excite: Conv
    fusion: Conv

    @property
    def inner(self) -> tuple[AnyConv, ...]:
        """The convolutions that belong to a path even where its ends are shared."""
        return (*tuple(conv for step in self.steps for conv in step.branch + step.trunk), self.last)

    @property
    def ends(self) -> tuple[AnyConv, ...]:
        """The convolutions that all paths of a block have in common under `--sharing=ends`."""
        return (self.first, self.squeeze, self.excite, self.fusion)

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self.inner + self.ends)

    def macs(self, pixels: int) -> int:
        """MACs over `pixels` low-resolution pixels."""
        return sum(conv.macs(pixels) for conv in self.inner + self.ends)


@dataclass(frozen=True)
class Block:
    """One block of a network.

    Args:
        recipe: letters of `LETTERS`, applied in order between the block's first and last convolution.
        ending: a key of `ENDINGS`: how wide the last convolution is.
        rate: distillation rate, in (0, 1): the share of the *current* width that a split keeps back.
        kernel: size of the first, the recipe's and the last convolution; odd. Several make them selective kernel
            units of these sizes.
        fusion_kernel: size of the convolution after the concatenation; odd. 0 takes the ending's own.

    Raises:
        UserError: where a field is not of the grammar.
    """

    recipe: str
    ending: str = "imdn"
    rate: float = 0.25
    kernel: int | tuple[int, ...] = 3
    fusion_kernel: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.recipe) - set(LETTERS))
        if not self.recipe or unknown:
            wrong = f"unknown letter {unknown[0]!r}" if unknown else "no letters"
            raise UserError(f"recipe {self.recipe[:MOST_LETTERS]!r}: {wrong}; the letters are {', '.join(LETTERS)}")
        if len(self.recipe) > MOST_LETTERS:
            raise UserError(f"a recipe of {len(self.recipe)} letters: give at most {MOST_LETTERS}")
        if self.ending not in ENDINGS:
            raise UserError(f"unknown ending {self.ending!r}; the endings are {', '.join(ENDINGS)}")
        if not 0 < self.rate < 1:
            raise UserError(f"distillation rate {self.rate} is outside (0, 1)")
        if self.fusion_kernel == 0:
            object.__setattr__(self, "fusion_kernel", ENDINGS[self.ending].fusion_kernel)
        for name, sizes in (("kernel", self.kernels), ("fusion_kernel", (self.fusion_kernel,))):
            wrong_sizes = [size for size in sizes if not 1 <= size <= MOST_KERNEL or size % 2 == 0]
            if wrong_sizes:
                raise UserError(f"{name} {wrong_sizes[0]} is not an odd number of at most {MOST_KERNEL}")

    @property
    def kernels(self) -> tuple[int, ...]:
        return self.kernel if isinstance(self.kernel, tuple) else (self.kernel,)

    def conv(self, inputs: int, outputs: int) -> AnyConv:
        """A convolution of this block's kernel: plain where it has one size, selective where it has several."""
        sizes = self.kernels
        return Conv(inputs, outputs, sizes[0]) if len(sizes) == 1 else SelectiveConv(inputs, outputs, sizes)

    @property
    def options(self) -> tuple[str, ...]:
        """All of the block but its recipe, as text: `('imdn', 'r0.25', 'k3', 'f1')`."""
        return (self.ending, f"r{self.rate!r}", f"k{'.'.join(map(str, self.kernels))}", f"f{self.fusion_kernel}")

    def __str__(self) -> str:
        return "+".join((self.recipe, *self.options))

    @classmethod
    def parse(cls, text: str, defaults: "tuple[str, ...]" = ()) -> "Block":
        """The block of `RECIPE+option+...`; options that are not given come from `defaults` (see `options`)."""
        recipe, *options = text.split("+")
        fields: dict = {}
        for option in (*defaults, *options):
            if option in ENDINGS:
                fields["ending"] = option
            elif match := _OPTION.fullmatch(option):
                letter, value = (group for group in match.groups() if group)
                name, kind = _OPTION_FIELDS[letter]
                fields[name] = kind(value)
            else:
                raise UserError(f"block {text!r}: unknown option {option!r}; expected an ending, r0.25, k3 or f1")
        return cls(recipe, **fields)


def parse_kernel(text: str, separator: str = ".") -> int | tuple[int, ...]:
    """A kernel from its text: `3`, or `1.3` for a selective one."""
    sizes = tuple(int(size) for size in text.split(separator))
    return sizes if len(sizes) > 1 else sizes[0]


_OPTION = re.compile(r"(r)(\d*\.?\d+(?:e-?\d+)?)|(k)(\d{1,9}(?:\.\d{1,9})*)|(f)(\d{1,9})")
_OPTION_FIELDS: dict[str, tuple[str, Callable]] = {
    "r": ("rate", float),
    "k": ("kernel", parse_kernel),
    "f": ("fusion_kernel", int),
}


class Letter(NamedTuple):
    """What a letter means.

    Attributes:
        apply: (current width, channels it distils, features, the block) -> what it does.
        distils: whether it keeps back `int(width * rate)` channels; 0 are passed to it where it does not.
    """

    apply: Callable[[int, int, int, Block], Step]
    distils: bool = False


def _split(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width - distilled, distilled)


def _split_skip(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width - distilled, distilled, branch=(Conv(distilled, distilled),))


def _conv(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(features, trunk=(block.conv(width, features),))


def _keep(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width, trunk=(block.conv(width, width),))


LETTERS = {
    "S": Letter(_split, distils=True),  # split: int(width * rate) channels to the concatenation
    "R": Letter(_split_skip, distils=True),  # the same, through a 3x3 skip conv (the thesis' Res2Net idea)
    "C": Letter(_conv),  # conv width -> features
    "K": Letter(_keep),  # conv width -> width (hand-made variants of table 4.3)
}


class Ending(NamedTuple):
    """How a block comes to its end.

    Attributes:
        outputs: (current width, distilled widths, features) -> channels of the last convolution.
        fusion_kernel: the usual size of the fusion convolution.
        fills: whether all splits and the last convolution together are exactly `features` wide.
    """

    outputs: Callable[[int, list[int], int], int]
    fusion_kernel: int
    fills: bool = False


ENDINGS = {
    "imdn": Ending(lambda width, distilled, features: distilled[-1] if distilled else 0, 1),
    "full": Ending(lambda width, distilled, features: width, 3),
    "reduced": Ending(lambda width, distilled, features: features - sum(distilled), 3, fills=True),
}


@functools.lru_cache(maxsize=4096)
def plan(block: Block, features: int) -> Plan:
    """The convolutions of `block` in a network `features` channels wide.

    Where the splits would fill an ending `reduced` on their own (`SSSSSCS` at rate .25), the later ones keep back less,
    so that each split and the last convolution have a channel. No path of the thesis is that long.

    Raises:
        UserError: where a split or the last convolution would have no channels.
    """
    ending = ENDINGS[block.ending]
    steps: list[Step] = []
    distilled: list[int] = []
    width = features
    for i, symbol in enumerate(block.recipe):
        letter, kept = LETTERS[symbol], 0
        if letter.distils:
            kept = int(width * block.rate)
            if ending.fills:
                to_come = sum(LETTERS[later].distils for later in block.recipe[i + 1 :])
                kept = min(kept, features - sum(distilled) - to_come - 1)
            if kept < 1:
                raise UserError(
                    f"recipe {block.recipe!r}: rate {block.rate:g} of {width} channels distils none; "
                    "raise --rate or --width"
                )
            distilled.append(kept)
        steps.append(letter.apply(width, kept, features, block))
        width = steps[-1].width
    outputs = ending.outputs(width, distilled, features)
    if outputs < 1:
        raise UserError(f"recipe {block.recipe!r} leaves the last convolution of ending {block.ending!r} no channels")
    concatenated = sum(distilled) + outputs
    # The paper's reduction of 16 leaves nothing of fewer than 16 channels: narrow networks keep one.
    squeezed = max(1, concatenated // CCA_REDUCTION)
    return Plan(
        first=block.conv(features, features),
        steps=tuple(steps),
        last=block.conv(width, outputs),
        squeeze=Conv(concatenated, squeezed, 1, pooled=True),
        excite=Conv(squeezed, concatenated, 1, pooled=True),
        fusion=Conv(concatenated, features, block.fusion_kernel),
    )
