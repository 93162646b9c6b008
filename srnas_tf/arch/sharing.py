"""The layout of a supernet's weights: paths that share weights have slices of one array.

A supernet has a slot for the layers around the blocks, and one for each position. A slot holds arrays, and each of its
paths is made of slices of them. This module knows shapes and names; `nets.sharing` turns them into indices.
"""

import functools
import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.arch.block import Block, plan
from srnas_tf.arch.conv import AnyConv
from srnas_tf.arch.network import frame

Shape = tuple[int, ...]


class Axis(NamedTuple):
    """An axis of a variable: its parts, each with a label and a length."""

    labels: tuple[Hashable, ...]
    lengths: tuple[int, ...]


class Slice(NamedTuple):
    """The part of a variable that lies in one array.

    Attributes:
        key: name of the array.
        shape: shape of the slice, which is the first channels of the array and the middle of its kernel.
    """

    key: tuple
    shape: Shape


@dataclass(frozen=True)
class Variable:
    """A variable of a path. It is made of one slice for each combination of its axes' labels."""

    key: tuple
    axes: tuple[Axis, ...]

    @property
    def shape(self) -> Shape:
        return tuple(sum(axis.lengths) for axis in self.axes)

    @property
    def slices(self) -> Iterator[Slice]:
        for parts in itertools.product(*(zip(*axis, strict=True) for axis in self.axes)):
            labels, lengths = zip(*parts, strict=True)
            yield Slice((*self.key, labels), lengths)


Path = tuple[Variable, ...]
"""The variables of a path, in the order of its layers."""


class Array(NamedTuple):
    """An array of a slot, for all paths that use it.

    Attributes:
        shape: shape of the array, which is large enough for each of its slices.
        fan_in: fan in of the widest variable with a slice of it; 0 for a bias.
    """

    shape: Shape
    fan_in: int


@dataclass(frozen=True)
class Layout:
    """The layout of one slot."""

    paths: tuple[Path, ...]

    @functools.cached_property
    def arrays(self) -> dict[tuple, Array]:
        """The arrays by key: first those of one path alone, then those that several paths share, last those of
        `common`.
        """
        found = {}
        for key, uses in self._uses.items():
            shapes, fan_ins = zip(*uses, strict=True)
            found[key] = Array(tuple(map(max, zip(*shapes, strict=True))), max(fan_ins))
        return dict(sorted(found.items(), key=lambda item: (item[0] in self.common, len(self._uses[item[0]]) > 1)))

    @functools.cached_property
    def common(self) -> frozenset[tuple]:
        """The keys of arrays that every path uses as a whole."""
        uses = self._uses.items()
        return frozenset(
            key for key, each in uses if len(each) == len(self.paths) and len({shape for shape, _ in each}) == 1
        )

    @functools.cached_property
    def _uses(self) -> dict[tuple, list[tuple[Shape, int]]]:
        """For each array, the slices of it that paths use, with the fan in of the slice's variable."""
        uses: dict[tuple, list[tuple[Shape, int]]] = {}
        for variable in itertools.chain(*self.paths):
            fan_in = math.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 0
            for key, shape in variable.slices:
                uses.setdefault(key, []).append((shape, fan_in))
        return uses

    @property
    def params(self) -> int:
        """Numbers in all arrays."""
        return sum(math.prod(array.shape) for array in self.arrays.values())


def of_blocks(blocks: Sequence[Block], widths: Sequence[int], sharing: str, absent: bool) -> Layout:
    """The layout of a position.

    Args:
        blocks: the position's.
        widths: widths of the trunks.
        sharing: one of `space.SHARING`. "none": each block of each width has its own weights. "ends": blocks of one
            width share their first convolution, attention and fusion. "entangled" (weight entanglement: Chen et al.
            2021; slices: Cai et al. 2020): convolutions in the same place of a block are slices of one array, across
            all widths. A slice is the middle of the kernel and the first channels. Convolutions that read or write the
            concatenation have one array for each of its pieces.
        absent: whether networks may end before this position. If so, a path without weights comes last.
    """
    pairs = list(itertools.product(widths, enumerate(blocks)))
    paths = [
        _block_path(block, width, _KEYS[sharing](width, code), sharing == "entangled") for width, (code, block) in pairs
    ]
    return Layout((*paths, ()) if absent else tuple(paths))


Key = Callable[[tuple, AnyConv, str], tuple]
"""(place in the block, convolution, name of its weight) -> name of the array."""


def _own(width: int, code: int) -> Key:
    return lambda place, conv, name: (width, code, place, name)


def _shared_ends(width: int, code: int) -> Key:
    def key(place: tuple, conv: AnyConv, name: str) -> tuple:
        return (width, place, name) if place[0] in ("first", "attention", "fusion") else (width, code, place, name)

    return key


def _shared_places(width: int, code: int) -> Key:
    return lambda place, conv, name: (place, _kind(conv), name)


def _kind(conv: AnyConv) -> tuple:
    """Two convolutions may share weights if this is equal."""
    return (conv.kind, *conv.weights)


_KEYS: dict[str, Callable[[int, int], Key]] = {"none": _own, "ends": _shared_ends, "entangled": _shared_places}


def _block_path(block: Block, width: int, key: Key, in_pieces: bool) -> Path:
    planned = plan(block, width)
    labels, lengths = zip(*planned.pieces, strict=True)
    concatenation, concatenated = Axis(labels, lengths), sum(lengths)

    before_fusion = not ATTENTIONS[block.attention].fused

    def axis(place: tuple, size: int, is_input: bool) -> Axis:
        reads = place == ("fusion",) and is_input
        attends = place[0] == "attention" and before_fusion and size == concatenated
        return concatenation if in_pieces and (reads or attends) else Axis((None,), (size,))

    return tuple(
        Variable(
            key(place, conv, name),
            tuple(axis(place, size, i == len(shape) - 2) for i, size in enumerate(shape)),
        )
        for place, conv in (*planned.placed, (("fusion",), planned.fusion))
        for name, shape in conv.weights.items()
    )


def of_trunks(trunks: Sequence[tuple[int, int, str]], scale: int, sharing: str) -> Layout:
    """The layout of the layers around the blocks, with a path for each trunk.

    Trunks of one width share their weights. Of the aggregating convolution, each uses the rows that read its own
    blocks. Under "entangled", trunks of all widths have slices of the same arrays.

    Args:
        trunks: width, depth and stem of each.
        scale: enlargement.
        sharing: one of `space.SHARING`.
    """

    def path(width: int, depth: int, stem: str) -> Path:
        around = frame(scale, width, depth, stem)
        owner = () if sharing == "entangled" else (width,)
        blocks = Axis(tuple(range(depth)), (width,) * depth)
        places: list[tuple[tuple, AnyConv]] = [(("conv_first", i), conv) for i, conv in enumerate(around.conv_first)]
        if around.aggregate:
            places.append((("aggregate",), around.aggregate))
        places += [(("conv_after_body",), around.conv_after_body), (("upsample",), around.upsample)]
        return tuple(
            Variable(
                (*owner, place, _kind(conv), name),
                tuple(
                    blocks if place == ("aggregate",) and len(shape) == 4 and i == 2 else Axis((None,), (size,))
                    for i, size in enumerate(shape)
                ),
            )
            for place, conv in places
            for name, shape in conv.weights.items()
        )

    return Layout(tuple(itertools.starmap(path, trunks)))
