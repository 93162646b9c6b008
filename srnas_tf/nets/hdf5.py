"""Checks the weights of a model file before Keras reads them: an HDF5 file can claim far more than it holds."""

import io
import math
from collections.abc import Iterator

import h5py

MAX_PARTS = 100_000
"""Groups and datasets of a file. A network has one or two for each variable."""

_IN_PLACE = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)


def check(content: bytes, least: int) -> None:
    """Refuses datasets that are compressed, unwritten, in other files, or linked.

    The bytes of each other dataset are in the file. None can take more memory than the file.

    Args:
        content: content of the file.
        least: bytes that all datasets together must have.

    Raises:
        ValueError: names the dataset.
        OSError: if it is no HDF5 file.
    """
    with h5py.File(io.BytesIO(content), "r") as file:
        total = sum(_bytes(dataset) for dataset in _datasets(file))
    if total > len(content):
        raise ValueError("its datasets are more than the file")
    if total < least:
        raise ValueError(f"{total} bytes of weights do not fill its network")


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Each dataset of a file, once."""
    pending: list[h5py.Group] = [file]
    seen: set[int] = set()
    while pending:
        group = pending.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its {name[:60]!r} leads elsewhere")
            found = group[name]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                raise ValueError(f"its {name[:60]!r} is there twice")
            seen.add(address)
            if len(seen) > MAX_PARTS:
                raise ValueError(f"it has more than {MAX_PARTS} parts")
            if isinstance(found, h5py.Group):
                pending.append(found)
            elif isinstance(found, h5py.Dataset):
                yield found
            else:
                raise ValueError(f"its {name[:60]!r} is no dataset")


def _bytes(dataset: h5py.Dataset) -> int:
    """The bytes of a dataset, all of which are in the file."""
    made = dataset.id.get_create_plist()
    plain = made.get_layout() in _IN_PLACE and not made.get_nfilters() and not made.get_external_count()
    size = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
    if dataset.shape is None or dataset.dtype.kind not in "fiub" or not plain:
        raise ValueError(f"its {dataset.name[:60]!r} is no plain array of numbers")
    if dataset.id.get_storage_size() != size:
        raise ValueError(f"its {dataset.name[:60]!r} says {size} bytes and has {dataset.id.get_storage_size()}")
    return size
