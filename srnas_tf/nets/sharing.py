"""The arrays of a slot as rows of numbers: the rows that a path uses, and its variables from them."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from srnas_tf.arch.graph import Weight
from srnas_tf.arch.sharing import Layout, Shape, Variable

ROW = 64
"""Numbers in a row. Each array begins with a new row. Rows are read and written in place, which is many times as fast
as single numbers.
"""


class Placement:
    """The rows of ROW numbers that hold all arrays of a slot: first the arrays of some paths, then those of all.

    Attributes:
        layout: layout of the slot.
        weights: its arrays, to be drawn one after the other.
        own: the number of rows of arrays that not every path uses as a whole.
        rows: the number of all rows. The last row of an array may be partly unused.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.weights = [_weight(array.shape, array.fan_in) for array in layout.arrays.values()]
        counts = [-(-math.prod(weight.shape) // ROW) for weight in self.weights]
        starts = itertools.accumulate(counts, initial=0)
        self._rows = {key: range(at, at + n) for key, at, n in zip(layout.arrays, starts, counts, strict=False)}
        self.rows = sum(counts)
        self.own = self.rows - sum(len(self._rows[key]) for key in layout.common)
        self._rows_of: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        """The number of paths."""
        return len(self.layout.paths)

    @functools.cached_property
    def shares(self) -> bool:
        """Whether several paths share an array that not every path uses as a whole."""
        used = [key for path in range(len(self)) for key in self._own_keys(path)]
        return len(set(used)) < len(used)

    def rows_of(self, path: int) -> np.ndarray:
        """The rows of a path's arrays, without those of all paths; int32 [rows of the path]."""
        if path not in self._rows_of:
            rows = [row for key in self._own_keys(path) for row in self._rows[key]]
            self._rows_of[path] = np.array(rows, np.int32)
        return self._rows_of[path]

    def used(self, path: int) -> np.ndarray:
        """Whether a path uses each number of `rows_of`, bool [rows of the path, ROW]."""
        marked = np.zeros(self.rows * ROW, bool)
        for where in self.places(path):
            marked[where] = True
        return marked.reshape(-1, ROW)[self.rows_of(path)]

    def places(self, path: int) -> list[np.ndarray]:
        """The indices of a path's variables among the numbers of all rows, each shaped as its variable."""
        arrays = {key: self._place_of(key) for key in self._keys(path)}
        return [_assemble(variable, arrays, np.concatenate) for variable in self.layout.paths[path]]

    def variables(self, path: int, rows: Sequence[Any]) -> list:
        """The values of a path's variables, as tensors.

        Args:
            rows: those of all paths, then those of `rows_of`; each float [rows, ROW], if there are any.
        """
        keys = sorted(self._keys(path), key=lambda key: key not in self.layout.common)
        sizes = [len(self._rows[key]) * ROW for key in keys]
        together = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=0)
        flat = ops.split(ops.reshape(together, (sum(sizes),)), list(itertools.accumulate(sizes))[:-1])
        shapes = [self.layout.arrays[key].shape for key in keys]
        whole = (ops.reshape(_first(math.prod(shape), own), shape) for own, shape in zip(flat, shapes, strict=True))
        arrays = dict(zip(keys, whole, strict=True))
        return [_assemble(variable, arrays, ops.concatenate) for variable in self.layout.paths[path]]

    def numbers(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The numbers of all rows, from arrays in the order of `weights`; float32 [rows * ROW]."""
        made = np.zeros(self.rows * ROW, np.float32)
        for key, array in zip(self.layout.arrays, arrays, strict=True):
            made[self._place_of(key)] = array
        return made

    def _keys(self, path: int) -> list[tuple]:
        """The arrays of a path, in the order of their rows."""
        used = {part.key for variable in self.layout.paths[path] for part in variable.slices}
        return [key for key in self.layout.arrays if key in used]

    def _own_keys(self, path: int) -> list[tuple]:
        return [key for key in self._keys(path) if key not in self.layout.common]

    def _place_of(self, key: tuple) -> np.ndarray:
        shape, start = self.layout.arrays[key].shape, self._rows[key].start * ROW
        return np.arange(start, start + math.prod(shape)).reshape(shape)


def _assemble(variable: Variable, arrays: Mapping[tuple, Any], concatenate) -> Any:
    """A variable, put together of slices of arrays along its axes."""

    def along(axis: int, labels: tuple, shape: Shape) -> Any:
        if axis == len(variable.axes):
            array = arrays[(*variable.key, labels)]
            whole = tuple(array.shape)
            return array if whole == shape else array[_middle(whole, shape)]
        parts = zip(*variable.axes[axis], strict=True)
        made = [along(axis + 1, (*labels, label), (*shape, length)) for label, length in parts]
        return made[0] if len(made) == 1 else concatenate(made, axis=axis)

    return along(0, (), ())


def _first(count: int, values: Any) -> Any:
    """The first of some values. All of them are no slice: its gradient would be a copy."""
    return values if values.shape[0] == count else values[:count]


def _middle(whole: Shape, part: Shape) -> tuple[slice, ...]:
    """The slice of that shape: the middle of a kernel, the first channels."""
    kernel = 2 if len(whole) == 4 else 0
    starts = [
        (large - small) // 2 if i < kernel else 0 for i, (large, small) in enumerate(zip(whole, part, strict=True))
    ]
    return tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))


def weight_of(shape: Shape) -> Weight:
    """The first value of a kernel or a bias of that shape."""
    return _weight(shape, math.prod(shape[:-1]) if len(shape) > 1 else 0)


def _weight(shape: Shape, fan_in: int) -> Weight:
    return Weight(shape, fan_in=fan_in) if fan_in else Weight(shape, 0.0)
