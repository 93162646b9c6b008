"""A space says which networks can be chosen. Nothing else in the code knows which fields of a network are choices."""

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from srnas_tf.arch.architecture import Architecture, parse
from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.arch.block import ACTIVATIONS, ENDINGS, Block, parse_kernel, plan
from srnas_tf.arch.conv import CONVS
from srnas_tf.arch.network import MAX_BLOCKS, MAX_CHANNELS, SCALES, STEMS, Network
from srnas_tf.arch.sharing import Layout, of_blocks, of_trunks
from srnas_tf.arch.spaces import SPACES, with_skips
from srnas_tf.errors import UserError
from srnas_tf.settings import Values, check, setting

if TYPE_CHECKING:
    import numpy as np

Codes = tuple[int, ...]
"""The codes of a network of a space: see `Space`."""

SHARING = ("none", "ends", "entangled")


class Trunk(NamedTuple):
    """The properties that all blocks of a network share.

    Attributes:
        width: channels.
        depth: blocks in a row.
        stem: a key of `network.STEMS`.
    """

    width: int
    depth: int
    stem: str


@dataclass(frozen=True)
class Space:
    """A set of networks: a list of trunks and, for each position, a list of blocks.

    A field that describes a network and has several values is a choice. Width, depth and stem are shared by all blocks
    of a network. Their combinations are the trunks. Everything else is chosen at each position. The codes of a network
    begin with the number of its trunk, if there are several. The number of a block at each position follows. Zeros fill
    them up to the depth of the deepest trunk.

    Raises:
        UserError: if the fields contradict each other or the grammar.
    """

    space: str = setting("dynamic", f"search space, which sets the recipes of blocks: {', '.join(SPACES)}")
    stages: int = setting(
        3,
        "stages of the dynamic, tapped and light spaces, which have 2^stages, 2^(stages + 1) - 1 and 3^stages recipes",
        bounds=(1, 16),
    )
    recipes: Values[str] = setting("", "recipes of a block (TC/TCC/TCTC) instead of the space's own", several=str)
    depth: Values[int] = setting(6, "blocks in a row", bounds=(1, MAX_BLOCKS), several=int)
    width: Values[int] = setting(64, "channels of the trunk", bounds=(1, MAX_CHANNELS), several=int)
    rate: Values[float] = setting(
        0.25, "distillation rate: the share of channels that a split keeps back", several=float
    )
    ending: Values[str] = setting("", "end of a block; by default the space's own", ("", *ENDINGS), several=str)
    fusion_kernel: Values[int] = setting(
        0, "kernel size of a block's fusion convolution; 0: the ending's own", (0, 1, 3), several=int
    )
    sharing: str = setting(
        "none",
        "weights that the paths of a block share in the supernet: none; ends: first convolution, attention and fusion; "
        "entangled: all, as slices of one array for each place",
        SHARING,
    )
    kernel: Values[str] = setting(
        "3",
        "kernel size of a block's other convolutions; several with commas (1,3) make selective kernel units",
        several=str,
    )
    conv: Values[str] = setting(
        "",
        "kind of these convolutions: plain, blueprint (1x1, then depthwise), or one of them expanded (reparameterized "
        "after training); by default the space's own",
        ("", *CONVS),
        several=str,
    )
    attention: Values[str] = setting(
        "", "attention of a block; by default the ending's own", ("", *ATTENTIONS), several=str
    )
    inner: Values[float] = setting(1.0, "width inside a block, as a multiple of --width", several=float)
    activation: Values[str] = setting("leaky", "activation inside a block", ACTIVATIONS, several=str)
    skip_first: bool = setting(False, "adds a 3x3 convolution to the first distilled branch of each path")
    scale: int = setting(4, "enlargement", SCALES)
    stem: Values[str] = setting(
        "",
        "convolutions around the blocks: plain; light: the one after the blocks is separable; thin: also the last one; "
        "expanded: thin, reparameterized after training; *row: without a concatenation; by default the space's own",
        ("", *(name for name, stem in STEMS.items() if not stem.enlarges)),
        several=str,
    )

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise UserError(f"--space={self.space}: choose one of {', '.join(SPACES)}")
        check(self)
        for rate in self.rate:
            if not 0 < rate < 1:
                raise UserError(f"--rate={rate}: must be above 0 and below 1")
        for name in OWN:
            if not any(getattr(self, name)):
                object.__setattr__(self, name, Values((getattr(SPACES[self.space], name),)))
        for kernel in self.kernel:
            if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", kernel):
                raise UserError(f"--kernel={kernel}: give an odd number, or several with commas between (1,3)")
        for blocks in self.positions:
            if len(set(blocks)) < len(blocks):
                raise UserError(f"--skip_first: space {self} has such paths already; drop the flag")
        for width in self.width:
            ends = {plan(block, width).ends for block in self.blocks}  # `plan` refuses blocks that cannot be built
            if self.sharing == "ends" and len(ends) > 1:
                raise UserError(
                    f"--sharing=ends needs blocks that begin and end alike: give --ending=reduced, not {self.ending}, "
                    "and one value of each other flag that describes a block"
                )
        if not any(self.fusion_kernel):
            kernels = dict.fromkeys(block.fusion_kernel for block in self.blocks)
            if len(kernels) == 1:
                object.__setattr__(self, "fusion_kernel", Values(kernels))

    @functools.cached_property
    def trunks(self) -> tuple[Trunk, ...]:
        """All trunks, in the order of their codes."""
        return tuple(itertools.starmap(Trunk, itertools.product(self.width, self.depth, self.stem)))

    @functools.cached_property
    def positions(self) -> tuple[tuple[Block, ...], ...]:
        """The blocks of each position of the deepest trunk, in the order of their codes."""
        return tuple(self._blocks_at(position) for position in range(max(self.depth)))

    @functools.cached_property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks that some position may have, each once."""
        return tuple(dict.fromkeys(itertools.chain(*self.positions)))

    def _blocks_at(self, position: int) -> tuple[Block, ...]:
        if any(self.recipes):
            recipes: Iterable[str] = self.recipes
        else:
            recipes = SPACES[self.space].recipes(self, position)
        if self.skip_first:
            recipes = (with_skips(recipe, {0: True}) for recipe in recipes)
        options = list(itertools.product(*(getattr(self, name) for name in BLOCK_FIELDS)))
        return tuple(_block(recipe, values) for recipe in recipes for values in options)

    @functools.cached_property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of the supernet's slots: the layers around the blocks, then each position."""

        @functools.cache
        def of_position(blocks: tuple[Block, ...], absent: bool) -> Layout:
            return of_blocks(blocks, self.width, self.sharing, absent)

        shallowest = min(self.depth)
        positions = (of_position(blocks, i >= shallowest) for i, blocks in enumerate(self.positions))
        return (of_trunks(self.trunks, self.scale, self.sharing), *positions)

    def paths(self, codes: Sequence[int]) -> tuple[int, ...]:
        """The number of the path that a network takes in each of `layouts`; the last one beyond its depth."""
        number, chosen = self.split(codes)
        before = self.width.index(self.trunks[number].width)
        present = [before * len(blocks) + path for blocks, path in zip(self.positions, chosen, strict=False)]
        return (number, *present, *(len(layout.paths) - 1 for layout in self.layouts[1 + len(present) :]))

    @property
    def supernet_params(self) -> int:
        """Trainable parameters of the whole supernet; shared ones count once."""
        return sum(layout.params for layout in self.layouts)

    @property
    def dimensions(self) -> dict[str, Values]:
        """The fields that are choices, with their values. Recipes count as one."""
        recipes = Values(dict.fromkeys(block.recipe for block in self.blocks))
        fields = {"recipes": recipes} | {name: getattr(self, name) for name in (*TRUNK_FIELDS, *BLOCK_FIELDS)}
        return {name: values for name, values in fields.items() if len(values) > 1}

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of values of each code."""
        trunks = (len(self.trunks),) if self._names_trunk else ()
        return (*trunks, *map(len, self.positions))

    @property
    def _names_trunk(self) -> bool:
        """Whether codes begin with the number of a trunk, which they do if there are several."""
        return len(self.trunks) > 1

    @property
    def count(self) -> int:
        """The number of networks."""
        return sum(math.prod(map(len, self.positions[: trunk.depth])) for trunk in self.trunks)

    def compose(self, trunk: int, paths: Sequence[int]) -> Codes:
        """The codes of a network.

        Args:
            trunk: the trunk's number.
            paths: the number of the block at each position of that trunk.
        """
        missing = (0,) * (len(self.positions) - len(paths))
        return (*((trunk,) if self._names_trunk else ()), *paths, *missing)

    def split(self, codes: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """The inverse of `compose`; codes beyond the trunk's depth are left out."""
        trunk, *paths = codes if self._names_trunk else (0, *codes)
        return int(trunk), tuple(int(path) for path in paths[: self.trunks[trunk].depth])

    def canonical(self, codes: Sequence[int]) -> Codes:
        """The network's own codes, from any numbers within `cardinalities` that name it."""
        return self.compose(*self.split(codes))

    def network(self, codes: Sequence[int]) -> Network:
        """The network of these codes. Codes beyond its depth may be left out.

        Raises:
            UserError: if there are too many or too few of them, or one is outside the space.
        """
        cardinalities = self.cardinalities
        own = len(cardinalities) - len(self.positions)
        for place, (code, count) in enumerate(zip(codes, cardinalities, strict=False)):
            if not 0 <= code < count:
                what = f"block {place - own + 1}" if place >= own else "the trunk"
                raise UserError(f"--arch: code {code} of {what} is outside space {self} (0 to {count - 1})")
        depth = self.trunks[codes[0] if own and codes else 0].depth
        if not own + depth <= len(codes) <= len(cardinalities):
            trunk = ", after that of the trunk" if own else ""
            raise UserError(f"--arch: {len(codes)} codes; give {own + depth}{trunk}, for --depth={depth}")
        number, paths = self.split(codes)
        width, _, stem = self.trunks[number]
        blocks = tuple(blocks[path] for blocks, path in zip(self.positions, paths, strict=False))
        return Network(self.scale, width, blocks, stem)

    def codes(self, network: Architecture) -> Codes | None:
        """The codes of a network, or None if the space does not hold it."""
        if not isinstance(network, Network) or network.scale != self.scale:
            return None
        trunk = Trunk(network.width, len(network.blocks), network.stem)
        if trunk not in self.trunks:
            return None
        known = zip(self._codes_of_blocks, network.blocks, strict=False)
        paths = tuple(codes.get(block, -1) for codes, block in known)
        return None if -1 in paths else self.compose(self.trunks.index(trunk), paths)

    @functools.cached_property
    def _codes_of_blocks(self) -> list[dict[Block, int]]:
        return [{block: code for code, block in enumerate(blocks)} for blocks in self.positions]

    def parse(self, text: str) -> Architecture:
        """A network from `--arch`: codes (`7,1,7`), recipes (`SCCC-SSSC`; one stands for all blocks) or a full text.

        Recipes take the first value of every field that is a choice.

        Raises:
            UserError: if the text is none of these, or a code is outside the space.
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
            recipes *= self.depth[0]
        if len(recipes) not in self.depth:
            raise UserError(f"--arch: {len(recipes)} recipes for --depth={self.depth}")
        return Network(self.scale, self.width[0], tuple(map(self._block_of, recipes)), self.stem[0])

    def _block_of(self, text: str) -> Block:
        try:
            return Block.parse(text, self.positions[0][0].options)
        except UserError as error:
            raise UserError(f"--arch: {error}; or give codes of space {self}, such as 0,0,0") from None

    def uniform(self) -> Iterator[Codes]:
        """The networks whose blocks are all equal, in the order of their codes."""
        for number, trunk in enumerate(self.trunks):
            of_blocks = self._codes_of_blocks[: trunk.depth]
            for block in self.positions[0]:
                if all(block in codes for codes in of_blocks):
                    yield self.compose(number, [codes[block] for codes in of_blocks])

    def sample(self, rng: "np.random.Generator") -> Codes:
        """The codes of a random network: its trunk and its blocks are drawn uniformly.

        All trunks are equally likely, however many networks each has.
        """
        return self.canonical(rng.integers(self.cardinalities).tolist())

    def smallest(self, cost: Callable[[Network], float]) -> Network:
        """The cheapest network. Within a trunk, the cost must be a sum over blocks."""
        return min((self._extreme(trunk, min, cost) for trunk in range(len(self.trunks))), key=cost)

    def largest(self, cost: Callable[[Network], float]) -> Network:
        """The most expensive network. Within a trunk, the cost must be a sum over blocks."""
        return max((self._extreme(trunk, max, cost) for trunk in range(len(self.trunks))), key=cost)

    def _extreme(self, trunk: int, pick: Callable, cost: Callable[[Network], float]) -> Network:
        """The cheapest or the most expensive network of a trunk, chosen position by position."""
        first = (0,) * self.trunks[trunk].depth
        paths = [
            pick(
                range(len(blocks)),
                key=lambda path, i=i: cost(self.network(self.compose(trunk, (*first[:i], path, *first[i + 1 :])))),
            )
            for i, blocks in enumerate(self.positions[: len(first)])
        ]
        return self.network(self.compose(trunk, paths))

    def __str__(self) -> str:
        if any(self.recipes):
            return f"of {len(self.recipes)} recipes"
        return f"{self.space} with {self.stages} stages" if SPACES[self.space].staged else self.space


TRUNK_FIELDS = ("width", "depth", "stem")
"""The fields of a trunk that can be choices."""
BLOCK_FIELDS = ("ending", "rate", "kernel", "fusion_kernel", "conv", "attention", "inner", "activation")
"""The fields of a block that can be choices besides its recipe. In the order of codes, the last one changes fastest."""
OWN = ("ending", "conv", "stem", "fusion_kernel")
"""The fields for which a space has its own default."""


def _block(recipe: str, values: tuple) -> Block:
    """A block of values in the order of `BLOCK_FIELDS`."""
    fields = dict(zip(BLOCK_FIELDS, values, strict=True))
    return Block(recipe, **fields | {"kernel": parse_kernel(fields["kernel"], ",")})
