"""A block is a recipe: letters that split and convolve, and an ending that brings the pieces together.

The grammar covers IMDN's information multi-distillation block (Hui et al. 2019) and every path of the thesis'
supernets. `plan` turns a block into its convolutions; parameters, MACs and the Keras layer all follow from the plan.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from srnas_tf.arch.conv import CONVS, AnyConv, Conv, DepthwiseConv, ExpandedConv, learned
from srnas_tf.errors import UserError

CCA_REDUCTION = 16
FAR = 7
"""Kernel size of the letter that looks far."""
MOST_LETTERS, MOST_KERNEL = 64, 31
"""Of a recipe, and pixels across a convolution: several times what anybody trained."""


@dataclass(frozen=True)
class Step:
    """What one letter does to the trunk.

    `distilled` channels leave for the concatenation, through `branch`: the first ones of the trunk, or, where `tapped`,
    what the branch makes of all of them. The rest, or all of them, goes on through `trunk` and is `width` channels wide
    afterwards. Every convolution is followed by a LeakyReLU.
    """

    width: int
    distilled: int = 0
    branch: tuple[AnyConv, ...] = ()
    trunk: tuple[AnyConv, ...] = ()
    tapped: bool = False


@dataclass(frozen=True)
class Plan:
    """The convolutions of a block, in the order in which data flows.

    `attention` are the one that squeezes and the one that excites, or none.
    """

    first: AnyConv
    steps: tuple[Step, ...]
    last: AnyConv
    attention: tuple[Conv, ...]
    fusion: Conv

    @property
    def inner(self) -> tuple[AnyConv, ...]:
        """The convolutions that belong to a path even where its ends are shared."""
        return (*tuple(conv for step in self.steps for conv in step.branch + step.trunk), self.last)

    @property
    def ends(self) -> tuple[AnyConv, ...]:
        """The convolutions that all paths of a block have in common under `--sharing=ends`."""
        return (self.first, *self.attention, self.fusion)

    @property
    def positions(self) -> list[tuple[int, int]]:
        """Of each step: how many convolutions the trunk has passed before it, and how many branches since."""
        positions, convs, branches = [], 0, 0
        for step in self.steps:
            positions.append((convs, branches))
            convs, branches = (convs + 1, 0) if step.trunk else (convs, branches + 1)
        return positions

    @property
    def placed(self) -> list[tuple[tuple, AnyConv]]:
        """All convolutions but the fusion, and what each is to its block: the same in another block, in its place."""
        places = list(zip(self.positions, self.steps, strict=True))
        return [
            (("first",), self.first),
            *((("branch", *place, i), conv) for place, step in places for i, conv in enumerate(step.branch)),
            *((("trunk", place[0], i), conv) for place, step in places for i, conv in enumerate(step.trunk)),
            (("last",), self.last),
            *((("attention", i), conv) for i, conv in enumerate(self.attention)),
        ]

    @property
    def pieces(self) -> list[tuple[tuple, int]]:
        """What is concatenated before the fusion: of each piece, where it comes from and its channels."""
        places = zip(self.positions, self.steps, strict=True)
        kept = [(("branch", *place), step.distilled) for place, step in places if step.distilled]
        return [*kept, (("last",), self.last.outputs)]

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self.inner + self.ends)

    @property
    def learned(self) -> int:
        """How many numbers training moves."""
        return sum(map(learned, self.inner + self.ends))

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
        conv: a key of `conv.CONVS`: what the first, the recipe's and the last convolution are.

    Raises:
        UserError: where a field is not of the grammar.
    """

    recipe: str
    ending: str = "imdn"
    rate: float = 0.25
    kernel: int | tuple[int, ...] = 3
    fusion_kernel: int = 0
    conv: str = "plain"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.recipe) - set(LETTERS))
        if not self.recipe or unknown:
            wrong = f"unknown letter {unknown[0]!r}" if unknown else "no letters"
            raise UserError(f"recipe {self.recipe[:MOST_LETTERS]!r}: {wrong}; the letters are {', '.join(LETTERS)}")
        if len(self.recipe) > MOST_LETTERS:
            raise UserError(f"a recipe of {len(self.recipe)} letters: give at most {MOST_LETTERS}")
        if self.ending not in ENDINGS:
            raise UserError(f"unknown ending {self.ending!r}; the endings are {', '.join(ENDINGS)}")
        if self.conv not in CONVS:
            raise UserError(f"unknown convolution {self.conv!r}; choose one of {', '.join(CONVS)}")
        if len(self.kernels) > 1 and not CONVS[self.conv].several:
            raise UserError(f"a {self.conv} convolution has one kernel size, not {len(self.kernels)}")
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

    @property
    def folded(self) -> "Block":
        """What it is in use."""
        return dataclasses.replace(self, conv=CONVS[self.conv].folds_to or self.conv)

    def make_conv(self, inputs: int, outputs: int) -> AnyConv:
        """A convolution of this block's kind and kernel."""
        return CONVS[self.conv].make(inputs, outputs, self.kernels)

    @property
    def options(self) -> tuple[str, ...]:
        """All of the block but its recipe, as text: `('imdn', 'r0.25', 'k3', 'f1')`."""
        kernel = CONVS[self.conv].letter + ".".join(map(str, self.kernels))
        return (self.ending, f"r{self.rate!r}", kernel, f"f{self.fusion_kernel}")

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
                fields |= _OPTION_FIELDS[letter](value)
            else:
                raise UserError(
                    f"block {text!r}: unknown option {option!r}; expected an ending, r0.25, k3, b3, e3, x3 or f1"
                )
        return cls(recipe, **fields)


def parse_kernel(text: str, separator: str = ".") -> int | tuple[int, ...]:
    """A kernel from its text: `3`, or `1.3` for a selective one."""
    sizes = tuple(int(size) for size in text.split(separator))
    return sizes if len(sizes) > 1 else sizes[0]


def _kernel_of(conv: str, text: str) -> dict:
    return {"conv": conv, "kernel": parse_kernel(text)}


_KINDS = "".join(kind.letter for kind in CONVS.values())
_OPTION = re.compile(rf"(r)(\d*\.?\d+(?:e-?\d+)?)|([{_KINDS}])(\d{{1,9}}(?:\.\d{{1,9}})*)|(f)(\d{{1,9}})")
_OPTION_FIELDS: dict[str, Callable[[str], dict]] = {
    "r": lambda text: {"rate": float(text)},
    "f": lambda text: {"fusion_kernel": int(text)},
    **{kind.letter: functools.partial(_kernel_of, name) for name, kind in CONVS.items()},
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
    return Step(features, trunk=(block.make_conv(width, features),))


def _keep(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width, trunk=(block.make_conv(width, width),))


def _look_far(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width, trunk=(_as_trained(block, DepthwiseConv(width, FAR)),))


def _tap(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width, distilled, branch=(_as_trained(block, Conv(width, distilled, 1)),), tapped=True)


def _as_trained(block: Block, conv: Conv | DepthwiseConv) -> AnyConv:
    """A convolution, expanded where those of the block are."""
    return ExpandedConv(conv) if block.folded != block else conv


LETTERS = {
    "S": Letter(_split, distils=True),  # split: int(width * rate) channels to the concatenation
    "R": Letter(_split_skip, distils=True),  # the same, through a 3x3 skip conv (the thesis' Res2Net idea)
    "C": Letter(_conv),  # conv width -> features
    "K": Letter(_keep),  # conv width -> width (hand-made variants of table 4.3)
    "D": Letter(_look_far),  # a 7x7 filter a channel (large kernels: Ding et al. 2022)
    "T": Letter(_tap, distils=True),  # tap: as many channels as a split's, by a 1x1 conv of all (RFDN: Liu et al. 2020)
}


class Ending(NamedTuple):
    """How a block comes to its end.

    Attributes:
        outputs: (current width, distilled widths, features) -> channels of the last convolution.
        fusion_kernel: the usual size of the fusion convolution.
        fills: whether all splits and the last convolution together are exactly `features` wide.
        attention: whether contrast-aware attention stands before the fusion convolution.
    """

    outputs: Callable[[int, list[int], int], int]
    fusion_kernel: int
    fills: bool = False
    attention: bool = True


def _as_distilled(width: int, distilled: list[int], features: int) -> int:
    return distilled[-1] if distilled else 0


ENDINGS = {
    "imdn": Ending(_as_distilled, 1),
    "bare": Ending(_as_distilled, 1, attention=False),
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
    return Plan(
        first=block.make_conv(features, features),
        steps=tuple(steps),
        last=block.make_conv(width, outputs),
        attention=_attention(concatenated) if ending.attention else (),
        fusion=Conv(concatenated, features, block.fusion_kernel),
    )


def _attention(channels: int) -> tuple[Conv, Conv]:
    # The paper's reduction of 16 leaves nothing of fewer than 16 channels: narrow networks keep one.
    squeezed = max(1, channels // CCA_REDUCTION)
    return Conv(channels, squeezed, 1, pooled=True), Conv(squeezed, channels, 1, pooled=True)
