"""Where the paths of a choice block keep their weights: what they share lies in one place."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from srnas_tf.arch.graph import Weight
from srnas_tf.nets.block import Block

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """How one vector holds all paths of a block.

    Attributes:
        weights: what the vector holds, one after the other.
        starts: int32 [paths], where each path's segment begins: in the vector, or in `elements` where those are given.
        lengths: int32 [paths], elements of each segment.
        elements: int32, those of the vector that the paths use, path after path and in the order of their
            variables; None where each path has a segment of the vector to itself.
        ends: shapes of what all paths share, and keep outside the vector.
    """

    weights: list[Weight]
    starts: np.ndarray
    lengths: np.ndarray
    elements: np.ndarray | None = None
    ends: Sequence[Shape] = ()

    @property
    def size(self) -> int:
        """Elements of the vector."""
        return sum(math.prod(weight.shape) for weight in self.weights)

    @property
    def users(self) -> np.ndarray:
        """Which path uses which element of the vector, bool [paths, size]."""
        used = np.zeros((len(self.starts), self.size), bool)
        for code in range(len(self.starts)):
            used[code, self.where(code)] = True
        return used

    def where(self, code: int) -> np.ndarray:
        """The elements of the vector that are a path's, int [its length]."""
        segment = np.arange(self.starts[code], self.starts[code] + self.lengths[code])
        return segment if self.elements is None else self.elements[segment]


def layout(paths: Sequence[Block], sharing: str) -> Layout:
    """The layout of paths under a way to share.

    Args:
        paths: a block's paths as built layers.
        sharing: one of `arch.space.SHARING`. Under "entangled" (weight entanglement: Chen et al. 2021) a layer is that
            of another path where both stand in one place of their blocks and agree in shape; of a fusion convolution,
            the part that reads one piece of the concatenation is shared.
    """
    if sharing == "entangled":
        return _entangled(paths)
    shapes = [own_shapes(path, sharing) for path in paths]
    lengths = [sum(map(math.prod, own)) for own in shapes]
    ends = [tuple(v.shape) for v in paths[0].ends] if sharing == "ends" else []
    return Layout([weight(shape) for own in shapes for shape in own], *_segments(lengths), ends=ends)


def own_shapes(path: Block, sharing: str) -> list[Shape]:
    """Shapes of the weights in a path's segment."""
    shared = {id(v) for v in path.ends} if sharing == "ends" else set()
    return [tuple(v.shape) for v in path.trainable_variables if id(v) not in shared]


def weight(shape: Shape) -> Weight:
    """A kernel, or a bias, to be drawn."""
    return Weight(shape, fan_in=math.prod(shape[:-1])) if len(shape) > 1 else Weight(shape, 0.0)


class _Vector:
    """A vector in the making: what is to lie in it gets its place when it is first asked for."""

    def __init__(self) -> None:
        self.weights: list[Weight] = []
        self._places: dict[tuple, np.ndarray] = {}
        self._size = 0

    def place(self, role: tuple, held: Weight) -> np.ndarray:
        """The elements that hold a weight, by what it is to its block, in its shape."""
        key = (role, held.shape)
        if key not in self._places:
            count = math.prod(held.shape)
            self._places[key] = np.arange(self._size, self._size + count, dtype=np.int32).reshape(held.shape)
            self.weights.append(held)
            self._size += count
        return self._places[key]


def _entangled(paths: Sequence[Block]) -> Layout:
    vector = _Vector()
    widest = max(path.plan.fusion.inputs for path in paths)
    used = [_elements(path, widest, vector) for path in paths]
    return Layout(vector.weights, *_segments([len(own) for own in used]), elements=np.concatenate(used))


def _elements(path: Block, widest: int, vector: _Vector) -> np.ndarray:
    """Of the vector, those that a path uses, in the order of its variables.

    Args:
        widest: channels of the widest concatenation: no path sums over more, so all parts of fusions are drawn for it.
    """
    fusion = path.plan.fusion
    area = (fusion.kernel, fusion.kernel)
    rows = [
        vector.place(("fusion", *role), Weight((*area, channels, fusion.outputs), fan_in=math.prod(area) * widest))
        for role, channels in path.plan.pieces
    ]
    elements = {id(path.fusion.kernel): np.concatenate(rows, axis=-2)}
    layers = zip([*path.plan.placed, ("fusion", fusion.outputs)], [*path.placed, path.fusion], strict=True)
    for role, layer in layers:
        for i, variable in enumerate(layer.trainable_variables):
            if id(variable) not in elements:
                elements[id(variable)] = vector.place((role, i), weight(tuple(variable.shape)))
    return np.concatenate([elements[id(variable)].ravel() for variable in path.trainable_variables])


def _segments(lengths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths of segments that lie end to end."""
    return np.array([0, *itertools.accumulate(lengths)][:-1], np.int32), np.array(lengths, np.int32)
