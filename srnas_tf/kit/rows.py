"""Arrays in memory or in a file, read and written by slices of rows."""

import os
import tempfile
from typing import Protocol

import numpy as np

IN_MEMORY = 512 * 2**20
"""The most bytes of an array in memory. A larger one is on disk."""


class Rows(Protocol):
    """An array, or a file that holds one, [height, width, channels]."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class File:
    """Rows of an array in a temporary file, read and written by slices of rows.

    Args:
        shape: [rows, ...].
        dtype: type of the items.

    Attributes:
        name: name of the file.
    """

    def __init__(self, shape: tuple[int, ...], dtype) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._file = tempfile.NamedTemporaryFile(prefix="maps-")  # noqa: SIM115  (it lives as long as this)
        self.name = self._file.name
        self._row = int(np.prod(shape[1:])) * self.dtype.itemsize
        os.truncate(self.name, shape[0] * self._row)

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        self._file.seek(start * self._row)
        values = np.fromfile(self._file, self.dtype, (stop - start) * self._row // self.dtype.itemsize)
        return values.reshape(stop - start, *self.shape[1:])

    def __setitem__(self, rows: slice, values: np.ndarray) -> None:
        start, _, _ = rows.indices(self.shape[0])
        self._file.seek(start * self._row)
        self._file.write(np.ascontiguousarray(values, self.dtype).data)
        self._file.flush()


def rows_of(shape: tuple[int, ...], dtype) -> "np.ndarray | File":
    """An empty array: in memory up to IN_MEMORY bytes, else a `File`."""
    fits = int(np.prod(shape)) * np.dtype(dtype).itemsize <= IN_MEMORY
    return np.empty(shape, dtype) if fits else File(shape, dtype)
