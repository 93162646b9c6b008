"""A block is a recipe and an ending: letters split and convolve, and the ending puts the pieces together.

The grammar covers IMDN's information multi-distillation block (Hui et al. 2019) and every path of the thesis'
supernets. `plan` turns a block into its convolutions. Parameters, MACs and the Keras layer follow from the plan.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.arch.conv import CONVS, AnyConv, Conv, DepthwiseConv
from srnas_tf.arch.plan import Plan, Step
from srnas_tf.errors import UserError

FAR = 7
"""Kernel size of the letter `D`."""
ACTIVATIONS = ("leaky", "silu", "gelu")
MAX_LETTERS, MAX_KERNEL, MAX_INNER = 64, 31, 8
"""Limits of a recipe, of a kernel size and of the inner width: several times the largest that was ever trained."""


@dataclass(frozen=True)
class Block:
    """One block of a network.

    Args:
        recipe: keys of `LETTERS`, applied in order between the block's first and last convolution.
        ending: a key of `ENDINGS`. It sets the width of the last convolution.
        rate: distillation rate, in (0, 1). A split keeps back this share of the *current* width.
        kernel: size of the first, the recipe's and the last convolution; odd. Several sizes make selective kernel
            units.
        fusion_kernel: size of the convolution after the concatenation; odd. 0 takes the ending's.
        conv: a key of `conv.CONVS`, the kind of the first, the recipe's and the last convolution.
        attention: a key of `attention.ATTENTIONS`. Empty takes the ending's.
        inner: width inside the block, as a multiple of the network's; above 0, at most MAX_INNER. The first convolution
            leads to it, the fusion back.
        activation: one of ACTIVATIONS. It follows the first and the recipe's convolutions.

    Raises:
        UserError: if a field is not of the grammar.
    """

    recipe: str
    ending: str = "imdn"
    rate: float = 0.25
    kernel: int | tuple[int, ...] = 3
    fusion_kernel: int = 0
    conv: str = "plain"
    attention: str = ""
    inner: float = 1.0
    activation: str = "leaky"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.recipe) - set(LETTERS))
        if not self.recipe or unknown:
            wrong = f"unknown letter {unknown[0]!r}" if unknown else "no letters"
            raise UserError(f"recipe {self.recipe[:MAX_LETTERS]!r}: {wrong}; the letters are {', '.join(LETTERS)}")
        if len(self.recipe) > MAX_LETTERS:
            raise UserError(f"a recipe of {len(self.recipe)} letters: give at most {MAX_LETTERS}")
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
        if not self.attention:
            object.__setattr__(self, "attention", ENDINGS[self.ending].attention)
        if self.attention not in ATTENTIONS:
            raise UserError(f"--attention={self.attention}: choose one of {', '.join(ATTENTIONS)}")
        if not 0 < self.inner <= MAX_INNER:
            raise UserError(f"--inner={self.inner:g}: must be above 0 and at most {MAX_INNER}")
        if self.activation not in ACTIVATIONS:
            raise UserError(f"--activation={self.activation}: choose one of {', '.join(ACTIVATIONS)}")
        for name, sizes in (("kernel", self.kernels), ("fusion_kernel", (self.fusion_kernel,))):
            wrong_sizes = [size for size in sizes if not 1 <= size <= MAX_KERNEL or size % 2 == 0]
            if wrong_sizes:
                raise UserError(f"{name} {wrong_sizes[0]} is not an odd number of at most {MAX_KERNEL}")

    @property
    def kernels(self) -> tuple[int, ...]:
        return self.kernel if isinstance(self.kernel, tuple) else (self.kernel,)

    @property
    def deployed(self) -> "Block":
        """Its deploy form."""
        return dataclasses.replace(self, conv=CONVS[self.conv].deployed_as or self.conv)

    def make_conv(self, in_channels: int, out_channels: int) -> AnyConv:
        """A convolution of this block's kind and kernel."""
        return CONVS[self.conv].make(in_channels, out_channels, self.kernels)

    @property
    def options(self) -> tuple[str, ...]:
        """All of the block but its recipe, as text: `('imdn', 'r0.25', 'k3', 'f1')`."""
        return self.options_after(())

    def options_after(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """The options that differ from `said` and from the defaults of the text form."""
        usual = {"attention": ENDINGS[self.ending].attention, "inner": 1.0, "activation": "leaky", **_fields(said)}
        kernel = CONVS[self.conv].letter + ".".join(map(str, self.kernels))
        texts = {
            ("ending",): self.ending,
            ("rate",): f"r{self.rate!r}",
            ("conv", "kernel"): kernel,
            ("fusion_kernel",): f"f{self.fusion_kernel}",
            ("attention",): f"a.{self.attention}",
            ("inner",): f"i{self.inner!r}",
            ("activation",): f"act.{self.activation}",
        }
        return tuple(text for names, text in texts.items() if any(getattr(self, n) != usual.get(n) for n in names))

    def __str__(self) -> str:
        return "+".join((self.recipe, *self.options))

    @classmethod
    def parse(cls, text: str, defaults: "tuple[str, ...]" = ()) -> "Block":
        """The block of `RECIPE+option+...`; options that are not given come from `defaults` (see `options`)."""
        recipe, *options = text.split("+")
        try:
            return cls(recipe, **_fields((*defaults, *options)))
        except _UnknownOptionError as error:
            raise UserError(f"block {text!r}: {error}") from None


def parse_kernel(text: str, separator: str = ".") -> int | tuple[int, ...]:
    """A kernel from its text: `3`, or `1.3` for a selective one."""
    sizes = tuple(int(size) for size in text.split(separator))
    return sizes if len(sizes) > 1 else sizes[0]


def _kernel_of(conv: str, text: str) -> dict:
    return {"conv": conv, "kernel": parse_kernel(text)}


_KINDS = "".join(kind.letter for kind in CONVS.values())
_OPTION = re.compile(
    rf"([ri])(\d*\.?\d+(?:e-?\d+)?)|([{_KINDS}])(\d{{1,9}}(?:\.\d{{1,9}})*)|(f)(\d{{1,9}})|(a|act)\.([a-z_]+)"
)
_OPTION_FIELDS: dict[str, Callable[[str], dict]] = {
    "r": lambda text: {"rate": float(text)},
    "f": lambda text: {"fusion_kernel": int(text)},
    "a": lambda text: {"attention": text},
    "act": lambda text: {"activation": text},
    "i": lambda text: {"inner": float(text)},
    **{kind.letter: functools.partial(_kernel_of, name) for name, kind in CONVS.items()},
}


class _UnknownOptionError(UserError):
    pass


def _fields(options: tuple[str, ...]) -> dict:
    """The fields that options set; a later option wins."""
    fields: dict = {}
    for option in options:
        if option in ENDINGS:
            fields["ending"] = option
        elif match := _OPTION.fullmatch(option):
            letter, value = (group for group in match.groups() if group)
            fields |= _OPTION_FIELDS[letter](value)
        else:
            known = ", ".join([f"{kind.letter}3" for kind in CONVS.values()])
            raise _UnknownOptionError(
                f"unknown option {option!r}; expected an ending, r0.25, {known}, f1, a.cca, i0.5 or act.silu"
            )
    return fields


class Letter(NamedTuple):
    """The meaning of a letter.

    Attributes:
        apply: (current width, channels to distil, features, block) -> its step.
        distils: whether it distils `int(width * rate)` channels. If not, it is given 0.
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


def _look_near(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(features, trunk=(_as_trained(block, Conv(width, features)),))


def _look_far(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width, trunk=(_as_trained(block, DepthwiseConv(width, FAR)),))


def _tap(width: int, distilled: int, features: int, block: Block) -> Step:
    return Step(width, distilled, branch=(_as_trained(block, Conv(width, distilled, 1)),), tapped=True)


def _as_trained(block: Block, conv: Conv | DepthwiseConv) -> AnyConv:
    """The form in training of a convolution: expanded if those of the block are."""
    return CONVS[block.conv].expand(conv)


LETTERS = {
    "S": Letter(_split, distils=True),  # split: int(width * rate) channels to the concatenation
    "R": Letter(_split_skip, distils=True),  # the same, through a 3x3 skip conv (the thesis' Res2Net idea)
    "C": Letter(_conv),  # conv width -> features
    "K": Letter(_keep),  # conv width -> width (hand-made variants of table 4.3)
    "P": Letter(_look_near),  # plain 3x3 conv width -> features, whatever the block's others are (SMRN)
    "D": Letter(_look_far),  # a 7x7 filter a channel (large kernels: Ding et al. 2022)
    "T": Letter(_tap, distils=True),  # tap: as many channels as a split's, by a 1x1 conv of all (RFDN: Liu et al. 2020)
}


class Ending(NamedTuple):
    """The end of a block.

    Attributes:
        out_channels: (current width, distilled widths, inner width, features) -> channels of the last convolution.
        fusion_kernel: the usual size of the fusion convolution.
        fills: whether the splits and the last convolution together have exactly the inner width.
        attention: the usual key of `attention.ATTENTIONS`.
        inside: whether the block's input is added before the fusion convolution instead of after it.
    """

    out_channels: Callable[[int, list[int], int, int], int]
    fusion_kernel: int
    fills: bool = False
    attention: str = "cca"
    inside: bool = False


def _as_distilled(width: int, distilled: list[int], inner: int, features: int) -> int:
    return distilled[-1] if distilled else 0


def _as_distilled_or_all(width: int, distilled: list[int], inner: int, features: int) -> int:
    return distilled[-1] if distilled else inner


ENDINGS = {
    "imdn": Ending(_as_distilled, 1),
    "bare": Ending(_as_distilled_or_all, 1, attention="none"),
    "full": Ending(lambda width, distilled, inner, features: width, 3),
    "reduced": Ending(lambda width, distilled, inner, features: inner - sum(distilled), 3, fills=True),
    "inside": Ending(lambda width, distilled, inner, features: features, 1, attention="none", inside=True),  # SMRN
}


@functools.lru_cache(maxsize=4096)
def plan(block: Block, features: int) -> Plan:
    """The convolutions of `block` in a network `features` channels wide.

    In the ending `reduced`, many splits may leave the last convolution no channels (`SSSSSCS` at rate 0.25). The later
    ones then keep back less, so that each split and the last convolution have a channel. No path of the thesis is that
    long.

    Raises:
        UserError: if a split or the last convolution would have no channels.
    """
    ending, inner = ENDINGS[block.ending], round(features * block.inner)
    if inner < 1:
        raise UserError(f"--inner={block.inner:g} of {features} channels leaves none; raise --inner or --width")
    steps: list[Step] = []
    distilled: list[int] = []
    width = inner
    for i, symbol in enumerate(block.recipe):
        letter, kept = LETTERS[symbol], 0
        if letter.distils:
            kept = int(width * block.rate)
            if ending.fills:
                to_come = sum(LETTERS[later].distils for later in block.recipe[i + 1 :])
                kept = min(kept, inner - sum(distilled) - to_come - 1)
            if kept < 1:
                flags = "--rate or --width" if block.inner == 1 else f"--inner={block.inner:g}, --rate or --width"
                raise UserError(
                    f"recipe {block.recipe!r}: rate {block.rate:g} of {width} channels distils none; raise {flags}"
                )
            distilled.append(kept)
        steps.append(letter.apply(width, kept, inner, block))
        width = steps[-1].width
    out_channels = ending.out_channels(width, distilled, inner, features)
    if out_channels < 1:
        raise UserError(f"recipe {block.recipe!r} leaves the last convolution of ending {block.ending!r} no channels")
    concatenated, attention = sum(distilled) + out_channels, ATTENTIONS[block.attention]
    return Plan(
        first=block.make_conv(features, inner),
        steps=tuple(steps),
        last=block.make_conv(width, out_channels),
        attends=block.attention,
        attention=attention.convs(features if attention.fused else concatenated),
        fusion=Conv(concatenated, features, block.fusion_kernel),
        inside=ending.inside,
    )
