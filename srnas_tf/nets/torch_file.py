"""Reads the tensors of a `.pth` file, and nothing else, without PyTorch.

A `.pth` file is a pickle, which may call any function of any library. This reader knows ordered dictionaries, storages
and tensors. It refuses a file that asks for anything else (`pickled`).
"""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srnas_tf import archives, reading
from srnas_tf.errors import UserError, first_line
from srnas_tf.nets import pickled
from srnas_tf.nets.pickled import Global, PickleError

_MAGIC = 0x1950A86A20F9469CFC6C
_ORDERED = Global("collections", "OrderedDict")
_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
}


class _Storage(NamedTuple):
    key: str
    dtype: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """The tensor's values, copied out of its storage.

        Raises:
            ValueError: if the storage does not hold them.
        """
        flat = storages[self.storage.key]
        if min((self.offset, *self.shape, *self.strides), default=0) < 0:
            raise ValueError("a tensor has a negative size")
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape:
            return np.empty(self.shape, flat.dtype)
        if self.offset + reach >= flat.size or np.prod(self.shape, dtype=float) > flat.size:
            raise ValueError("a tensor reaches past its storage")
        strides = [stride * flat.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).copy()


def _call(function: Global, arguments: tuple) -> _Tensor:
    """The one function that a file of weights asks for: (storage, offset, shape, strides, ...) -> tensor."""
    if function != _TENSOR:
        raise PickleError(f"it calls {function.name}")
    storage, offset, shape, strides, *_ = arguments
    if not isinstance(storage, _Storage):
        raise PickleError("a tensor without a storage")
    for numbers in ((offset,), shape, strides):
        if type(numbers) is not tuple or not all(type(number) is int for number in numbers):
            raise PickleError("a tensor's place is no numbers")
    return _Tensor(storage, offset, shape, strides)


def _persistent(described: tuple) -> _Storage:
    kind, dtype, key, *_ = described
    if kind != "storage" or not isinstance(dtype, Global) or dtype.name not in _STORAGES:
        raise PickleError("it refers to something that is not a storage")
    if not isinstance(key, str):
        raise PickleError("a storage without a name")
    return _Storage(key, _STORAGES[dtype.name])


_MEANINGS = pickled.Meanings(
    {_ORDERED, _TENSOR, *(Global("torch", name) for name in _STORAGES)}, _call, _persistent, _ORDERED
)


def read(path: Path) -> dict[str, np.ndarray]:
    """The named tensors of a `.pth` file, in either of PyTorch's two formats.

    Raises:
        UserError: if the file is missing, broken, or holds anything but tensors.
    """
    try:
        content = reading.content(path)
        described, storages = (_zipped if zipfile.is_zipfile(io.BytesIO(content)) else _legacy)(content)
        if not isinstance(described, dict) or not all(isinstance(value, _Tensor) for value in described.values()):
            raise ValueError("it holds more than named tensors")
        arrays, room = {}, archives.EXPANSION * sum(storage.size for storage in storages.values())
        for name, tensor in described.items():
            arrays[str(name)] = tensor.array(storages)
            room -= arrays[str(name)].size
            if room < 0:
                raise ValueError("its tensors hold far more than its storages")
        return arrays
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or first_line(error)}") from None
    except Exception as error:  # Broken pickles fail in as many ways as there are opcodes.
        raise UserError(f"{path}: not a file of weights ({first_line(error)})") from None


def _unpickle(stream: io.BytesIO) -> Any:
    """The next object of a stream."""
    return pickled.load(stream, _MEANINGS)


def _zipped(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """The format of PyTorch 1.6 and later: a zip archive of one pickle, and one file for each storage."""
    with archives.opened(content) as archive:
        [entry] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = entry.removesuffix("data.pkl")
        described = _unpickle(io.BytesIO(archive.read(entry)))
        tensors = described.values() if isinstance(described, dict) else []
        used = {tensor.storage for tensor in tensors if isinstance(tensor, _Tensor)}
        return described, {s.key: np.frombuffer(archive.read(f"{folder}data/{s.key}"), s.dtype) for s in used}


def _legacy(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """The older format: five pickles in a row, then each storage's length and values."""
    stream = io.BytesIO(content)
    if _unpickle(stream) != _MAGIC:
        raise ValueError("it does not begin as one")
    _unpickle(stream)  # protocol
    _unpickle(stream)  # byte order and sizes of the machine that wrote it
    described = _unpickle(stream)
    keys = _unpickle(stream)
    if not isinstance(described, dict) or not isinstance(keys, list):
        raise ValueError("it holds more than named tensors")
    tensors = [tensor for tensor in described.values() if isinstance(tensor, _Tensor)]
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors}
    storages = {}
    for key in keys:
        [count] = struct.unpack("<q", stream.read(8))
        dtype = np.dtype(dtypes[key])
        if not 0 <= count * dtype.itemsize <= len(content) - stream.tell():
            raise ValueError("a storage is longer than the file")
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return described, storages
