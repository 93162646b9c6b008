"""Decoded images on disk, in files that are mapped into memory: an image is decoded once, and not at every start.

One file an image: a changed image replaces one file, two processes that fill the store together share no file, and what
a kill leaves is whole images. The files are NumPy's own (`.npy`), which maps them without a library more; the operating
system keeps in memory what is used. Within, an image lies in strips of columns: a patch is then a piece or two of the
file, and not a few bytes on each of a thousand pages.
"""

import contextlib
import hashlib
import math
import mmap
import os
import resource
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

FORMAT = 1
"""To be raised if the same image file should be stored otherwise."""

STRIP = 256
"""Columns of a strip."""

_MOST_FILES = 8192
"""File descriptors that are asked for: each mapped file holds one, and a process often begins with 1024."""

_AROUND = 64 << 10
"""Bytes that Linux maps around a page that is read."""

_STALE = 3600.0
"""Seconds after which a file that was never finished is what a kill left."""

_PARTIAL = ".partial-"


def default_folder() -> Path:
    """The folder of this package in the user's cache."""
    home = Path.home() / "Library" / "Caches" if sys.platform == "darwin" else Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "srnas_tf" / "images"


class Strips:
    """An image in a mapped file: RGB uint8, of which rectangles are read, `image[top:bottom, left:right]`.

    Args:
        mapped: uint8 [strips, height, STRIP, 3].
        width: of the image; the last strip may be longer.
        note: is told how many bytes a reading may have brought into memory.
    """

    def __init__(self, mapped: np.ndarray, width: int, note: Callable[["Strips", int], None]) -> None:
        self._mapped, self._note = mapped, note
        self.shape = (mapped.shape[1], width, 3)
        self.touched = 0

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        (top, bottom, _), (left, right, _) = (part.indices(n) for part, n in zip(window, self.shape, strict=False))
        pixels = np.empty((max(0, bottom - top), max(0, right - left), 3), np.uint8)
        for i in range(left // STRIP, -(-right // STRIP)):
            low, high = max(left, i * STRIP), min(right, (i + 1) * STRIP)
            pixels[:, low - left : high - left] = self._mapped[i, top:bottom, low - i * STRIP : high - i * STRIP]
            self._note(self, (bottom - top) * STRIP * 3 + _AROUND)
        return pixels

    def __array__(self, dtype: None = None, copy: bool | None = None) -> np.ndarray:
        return self[:, :]


class Store:
    """Images and what is made of them by the files that they came from.

    Any number of processes and hosts may use one folder at a time, which may be removed whenever none does.

    Args:
        folder: made when something is written.
        memory: bytes of mapped files that may be in use; the least recently used ones go first.
    """

    def __init__(self, folder: Path, memory: int) -> None:
        self.folder, self._memory = folder, memory
        self._maps: OrderedDict[str, Strips] = OrderedDict()
        self._layouts: dict[str, tuple[int, tuple[int, ...], int]] = {}
        self._touched = 0
        self._lock = threading.Lock()
        self._most = _files() // 2

    @staticmethod
    def name(path: Path) -> str:
        """The file of an image's pixels; another one after the image has changed.

        Raises:
            OSError: where there is no such image.
        """
        status = path.stat()
        state = f"{FORMAT} {status.st_size} {status.st_mtime_ns}"
        return f"{_owner(path)}-{_digest(state.encode())}.npy"

    @staticmethod
    def variant(name: str, made: str) -> str:
        """The file of what is made of an image, by the file of its pixels; that itself if the text is empty."""
        return f"{name.removesuffix('.npy')}-{_digest(made.encode())}.npy" if made else name

    def get(self, name: str) -> Strips | None:
        """The image in a file; None where there is none, or no whole one."""
        with self._lock:
            found = self._maps.get(name)
            if found is None:
                found = self._map(name)
            if found is None:
                return None
            self._maps[name] = found
            self._maps.move_to_end(name)
            while len(self._maps) > 1 and (self._touched > self._memory or len(self._maps) > self._most):
                _, dropped = self._maps.popitem(last=False)
                self._touched -= dropped.touched
        return found

    def _map(self, name: str) -> Strips | None:
        try:
            with (self.folder / name).open("rb") as file:
                if name not in self._layouts:
                    self._layouts[name] = _layout(file)
                offset, shape, width = self._layouts[name]
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            array = np.frombuffer(mapped, np.uint8, math.prod(shape), offset).reshape(shape)
        except (OSError, ValueError, EOFError):  # of a file that is not there, or not whole
            return None
        return Strips(array, width, self._note)

    def _note(self, strips: Strips, count: int) -> None:
        with self._lock:
            count = min(count, strips._mapped.nbytes - strips.touched)
            strips.touched += count
            self._touched += count

    def put(self, name: str, pixels: np.ndarray) -> None:
        """Writes a file, whole or not at all.

        Raises:
            OSError: where there is no room, or no right to write.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        who = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        partial = self.folder / f"{_PARTIAL}{who}-{name}"
        try:
            with partial.open("wb") as file:
                height, width, _ = pixels.shape
                strips = np.pad(pixels, ((0, 0), (0, -width % STRIP), (0, 0)))
                np.save(file, np.array([width]), allow_pickle=False)
                np.save(file, strips.reshape(height, -1, STRIP, 3).swapaxes(0, 1).copy(), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)

    def clean(self, paths: list[Path]) -> None:
        """Removes what was made of earlier states of these images, and what kills left."""
        current = {}
        for path in paths:
            with contextlib.suppress(OSError):
                current[_owner(path)] = self.name(path).removesuffix(".npy")
        with contextlib.suppress(OSError):
            for file in self.folder.iterdir():
                own = current.get(file.name.partition("-")[0])
                left = file.name.startswith(_PARTIAL) and time.time() - file.stat().st_mtime > _STALE
                if left or (own and not file.name.startswith(own)):
                    file.unlink(missing_ok=True)


def _layout(file: BinaryIO) -> tuple[int, tuple[int, ...], int]:
    """Where the strips begin in a file, their shape, and the image's width.

    Raises:
        ValueError: where the file is not one of this store.
    """
    [width] = np.load(file, allow_pickle=False)
    np.lib.format.read_magic(file)
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
    if kind != np.uint8 or len(shape) != 4 or shape[2:] != (STRIP, 3) or by_columns or width > shape[0] * STRIP:
        raise ValueError("holds no image")
    return file.tell(), shape, int(width)


def _files() -> int:
    """How many files this process may have open, as many as it is given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    with contextlib.suppress(OSError, ValueError):
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _MOST_FILES if soft == resource.RLIM_INFINITY else soft


def _owner(path: Path) -> str:
    return _digest(os.fsencode(os.path.abspath(path)))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:20]
