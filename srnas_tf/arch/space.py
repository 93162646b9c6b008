"""A space says which networks may be chosen. Nothing else in the code knows which fields of a network are choices."""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from srnas_tf.arch.architecture import Architecture, parse
from srnas_tf.arch.block import ENDINGS, Block, parse_kernel, plan
from srnas_tf.arch.conv import CONVS, learned
from srnas_tf.arch.network import MOST_BLOCKS, MOST_CHANNELS, SCALES, STEMS, Network, frame
from srnas_tf.errors import UserError
from srnas_tf.settings import check, setting

if TYPE_CHECKING:
    import numpy as np

Codes = tuple[int, ...]
"""One path number a block."""

INITIAL = ("SSSS", "SSS", "SSCS", "SCSS", "SCS")
"""Thesis, figure 3.5: every sequence in which each conv is followed by a split."""


def _imdn(space: "Space") -> Iterable[str]:
    return ["SCSCS"]


def _initial(space: "Space") -> Iterable[str]:
    return INITIAL


def _initial20(space: "Space") -> Iterable[str]:
    """Code 4 * path + 2 * skip1 + skip2: each path with or without skip convs on its first two distilled branches."""
    for recipe, skip1, skip2 in itertools.product(INITIAL, (False, True), (False, True)):
        yield _with_skips(recipe, {0: skip1, 1: skip2})


def _dynamic(space: "Space") -> Iterable[str]:
    """`S`, then the code's bits, most significant first: 1 is a conv, 0 a split (thesis, figure 3.6)."""
    for bits in itertools.product("SC", repeat=space.stages):
        yield "S" + "".join(bits)


def _tapped(space: "Space") -> Iterable[str]:
    """`T`, then up to as many convolutions as there are stages, each with a tap behind it or not; shortest first."""
    for count in range(space.stages + 1):
        for convs in itertools.product(("C", "CT"), repeat=count):
            yield "T" + "".join(convs)


def _light(space: "Space") -> Iterable[str]:
    """The dynamic space, where a stage may also look far: 3^stages paths, of separable convolutions."""
    for letters in itertools.product("SDC", repeat=space.stages):
        yield "S" + "".join(letters)


def _with_skips(recipe: str, skips: dict[int, bool]) -> str:
    """The recipe with skip convs on the numbered splits."""
    splits = itertools.count()
    return "".join("R" if letter in "SR" and skips.get(next(splits)) else letter for letter in recipe)


@dataclass(frozen=True)
class SpaceKind:
    """The recipes of a space's paths, in the order of their codes, and what it has unless told otherwise.

    One that is `staged` has as many paths as `--stages` makes.
    """

    recipes: Callable[["Space"], Iterable[str]]
    ending: str
    conv: str = "plain"
    stem: str = "plain"
    fusion_kernel: int = 0
    staged: bool = False


SPACES = {
    "imdn": SpaceKind(_imdn, "imdn"),
    "initial": SpaceKind(_initial, "reduced"),
    "initial20": SpaceKind(_initial20, "reduced"),
    "dynamic": SpaceKind(_dynamic, "reduced", staged=True),
    "tapped": SpaceKind(_tapped, "bare", "blueprint", "thin", staged=True),
    "light": SpaceKind(_light, "reduced", "blueprint", "light", 1, staged=True),
}
SHARING = ("none", "ends", "entangled")


@dataclass(frozen=True)
class Space:
    """A set of networks: `depth` blocks, each one of `choices`.

    Raises:
        UserError: where the fields contradict each other or the grammar.
    """

    space: str = setting("dynamic", "search space", tuple(SPACES))
    stages: int = setting(
        3,
        "stages of the dynamic, tapped and light spaces: 2^stages, 2^(stages + 1) - 1 and 3^stages paths a block",
        bounds=(1, 16),
    )
    depth: int = setting(6, "blocks in a row", bounds=(1, MOST_BLOCKS))
    width: int = setting(64, "channels of the trunk", bounds=(1, MOST_CHANNELS))
    rate: float = setting(0.25, "distillation rate: the share of its channels that a split keeps back")
    ending: str = setting("", "how a block ends; the space's own unless given", ("", *ENDINGS))
    fusion_kernel: int = setting(0, "kernel size of a block's fusion conv; 0: the ending's own", (0, 1, 3))
    sharing: str = setting(
        "none",
        "what the paths of a block share in the supernet: none of their weights, those of their first conv, attention "
        "and fusion, or entangled: those of all layers that stand in one place and have one shape",
        SHARING,
    )
    kernel: str = setting("3", "kernel size of a block's other convs; several (1,3) make selective kernel units")
    conv: str = setting(
        "",
        "those convs: plain or blueprint (1x1, then a filter a channel), or either of them expanded: trained as a sum, "
        "folded to be used; the space's own unless given",
        ("", *CONVS),
    )
    skip_first: bool = setting(False, "a 3x3 skip conv on each path's first distilled branch")
    scale: int = setting(4, "enlargement", SCALES)
    stem: str = setting(
        "",
        "around the blocks: plain, light (its 3x3 conv of full width is separable), thin (that to the subpixels, too), "
        "or expanded (thin, trained as a sum and folded to be used); the space's own unless given",
        ("", *(name for name, stem in STEMS.items() if not stem.enlarges)),
    )

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.rate < 1:
            raise UserError(f"--rate={self.rate}: must be above 0 and below 1")
        for name in ("ending", "conv", "stem", "fusion_kernel"):
            if not getattr(self, name):
                object.__setattr__(self, name, getattr(SPACES[self.space], name))
        object.__setattr__(self, "kernel", str(self.kernel))
        if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", self.kernel):
            raise UserError(f"--kernel={self.kernel}: give an odd number, or several with commas between (1,3)")
        if len(set(self.choices)) < len(self.choices):
            raise UserError(f"--skip_first: space {self.space} has such paths already; drop the flag")
        ends = {plan(choice, self.width).ends for choice in self.choices}
        if self.sharing == "ends" and len(ends) > 1:
            raise UserError(
                f"--sharing=ends needs --ending=reduced: with --ending={self.ending} the paths end in different widths"
            )
        if not self.fusion_kernel:
            object.__setattr__(self, "fusion_kernel", self.choices[0].fusion_kernel)

    @functools.cached_property
    def choices(self) -> tuple[Block, ...]:
        """The paths of a block, in the order of their codes."""
        recipes = SPACES[self.space].recipes(self)
        if self.skip_first:
            recipes = (_with_skips(recipe, {0: True}) for recipe in recipes)
        return tuple(self.block(recipe) for recipe in recipes)

    def block(self, recipe: str) -> Block:
        """A block of that recipe with this space's ending, rate and kernels."""
        return Block(recipe, self.ending, self.rate, parse_kernel(self.kernel, ","), self.fusion_kernel, self.conv)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many values each position of the codes can take."""
        return (len(self.choices),) * self.depth

    def network(self, codes: Sequence[int]) -> Network:
        """The network of these codes.

        Raises:
            UserError: where there are too many or too few of them, or one is outside the space.
        """
        if len(codes) != self.depth:
            raise UserError(f"--arch: {len(codes)} codes for --depth={self.depth}")
        for position, (code, count) in enumerate(zip(codes, self.cardinalities, strict=True), start=1):
            if not 0 <= code < count:
                raise UserError(f"--arch: code {code} of block {position} is outside space {self} (0 to {count - 1})")
        return Network(self.scale, self.width, tuple(self.choices[code] for code in codes), self.stem)

    def codes(self, network: Architecture) -> Codes | None:
        """The codes of a network, or None where the space does not hold it."""
        if not isinstance(network, Network):
            return None
        framed = (network.scale, network.width, len(network.blocks), network.stem)
        if framed != (self.scale, self.width, self.depth, self.stem):
            return None
        known = {block: code for code, block in enumerate(self.choices)}
        codes = tuple(known.get(block, -1) for block in network.blocks)
        return None if -1 in codes else codes

    def parse(self, text: str) -> Architecture:
        """A network from `--arch`: codes (`7,1,7`), recipes (`SCCC-SSSC`; one stands for all blocks) or a full text.

        Raises:
            UserError: where the text is none of these, or a code is outside the space.
        """
        text = text.strip()
        if ":" in text:
            return parse(text)
        if text.replace(",", "").replace("-", "").replace(" ", "").isdigit():
            try:
                return self.network([int(code) for code in text.split(",")])
            except ValueError as error:
                raise error if isinstance(error, UserError) else UserError(f"--arch={text}: {error}") from None
        recipes = text.split("-")
        if len(recipes) == 1:
            recipes *= self.depth
        if len(recipes) != self.depth:
            raise UserError(f"--arch: {len(recipes)} recipes for --depth={self.depth}")
        return Network(self.scale, self.width, tuple(self._block_of(recipe) for recipe in recipes), self.stem)

    def _block_of(self, text: str) -> Block:
        try:
            return Block.parse(text, self.choices[0].options)
        except UserError as error:
            raise UserError(f"--arch: {error}; or give codes of space {self}, such as 0,0,0") from None

    def sample(self, rng: "np.random.Generator") -> Codes:
        """Codes drawn uniformly."""
        return tuple(int(code) for code in rng.integers(self.cardinalities))

    def smallest(self, cost: Callable[[Network], int]) -> Network:
        """The network of the space that costs least; costs are sums over blocks."""
        return min(self._alike, key=cost)

    def largest(self, cost: Callable[[Network], int]) -> Network:
        """The network of the space that costs most; costs are sums over blocks."""
        return max(self._alike, key=cost)

    @property
    def _alike(self) -> list[Network]:
        """The networks that take the same path in all blocks."""
        return [self.network((code,) * self.depth) for code in range(len(self.choices))]

    @property
    def supernet_params(self) -> int:
        """Parameters of the whole supernet as it is trained, what is shared counted once."""
        plans = [plan(choice, self.width) for choice in self.choices]
        around = frame(self.scale, self.width, self.depth, self.stem).learned
        if self.sharing == "entangled":
            held = dict.fromkeys(place for p in plans for place in p.placed)
            pieces = dict.fromkeys(piece for p in plans for piece in p.pieces)
            fused = replace(plans[0].fusion, inputs=sum(channels for _, channels in pieces))
            return around + self.depth * (sum(learned(conv) for _, conv in held) + learned(fused))
        inner = sum(learned(conv) for p in plans for conv in p.inner)
        owners = plans[:1] if self.sharing == "ends" else plans
        ends = sum(learned(conv) for p in owners for conv in p.ends)
        return around + self.depth * (inner + ends)

    def __str__(self) -> str:
        return f"{self.space} with {self.stages} stages" if SPACES[self.space].staged else self.space
