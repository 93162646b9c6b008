"""Keeps decoded images on disk, so that an image is decoded once and not at every start.

Each image is one file. A changed image replaces one file, processes that fill the store together share no file, and a
kill leaves whole images. The files are NumPy's own (`.npy`). An image is stored in strips of columns. A patch is then a
piece or two of the file, not a few bytes on each of a thousand pages. Pieces are read, not mapped. That is as fast if
the file is in the page cache, and needs no memory of this process. A file that disappears then causes an error, and
does not end the process.
"""

import contextlib
import hashlib
import math
import os
import socket
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from srnas_tf.errors import UserError

FORMAT = 1
"""Raise it if the same image file should be stored otherwise."""

STRIP = 128
"""Columns in a strip."""

_MAX_FILES = 8192
"""File descriptors to ask for. The store needs most of them, and a process often begins with 1024."""

_STALE = 3600.0
"""Seconds after which an unfinished file counts as the rest of a kill."""

_PARTIAL = ".partial-"


def default_folder() -> Path:
    """The folder of this package in the user's cache."""
    home = Path.home() / "Library" / "Caches" if sys.platform == "darwin" else Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "srnas_tf" / "images"


class Layout(NamedTuple):
    """The offset of the strips in a file, the shape of the image, and the bytes of the file."""

    start: int
    shape: tuple[int, int, int]
    size: int


class Strips:
    """An image in a file, uint8 RGB. `image[top:bottom, left:right]` reads a rectangle.

    Args:
        path: path of the file. It is closed with the last reference to this object.
        layout: layout of the file, if known.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not a store's, or incomplete.
    """

    def __init__(self, path: Path, layout: Layout | None = None) -> None:
        self._path, self._file = path, path.open("rb", buffering=0)
        self.layout = layout or _layout(self._file)
        self._start, self.shape, size = self.layout
        if os.fstat(self._file.fileno()).st_size != size:
            raise ValueError("is not whole")

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        (top, bottom, _), (left, right, _) = (part.indices(n) for part, n in zip(window, self.shape, strict=False))
        if bottom <= top or right <= left:
            return np.empty((max(0, bottom - top), max(0, right - left), 3), np.uint8)
        pieces = [self._piece(i, top, bottom) for i in range(left // STRIP, -(-right // STRIP))]
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
        first = left // STRIP * STRIP
        return whole[:, left - first : right - first]

    def _piece(self, strip: int, top: int, bottom: int) -> np.ndarray:
        """Some rows of a strip."""
        pixels = np.empty((bottom - top, STRIP, 3), np.uint8)
        row = STRIP * 3
        offset = self._start + (strip * self.shape[0] + top) * row
        if os.preadv(self._file.fileno(), [pixels.data], offset) != pixels.nbytes:
            raise UserError(f"{self._path}: was cut short; remove it, then give the same command again")
        return pixels

    def __array__(self, dtype: None = None, copy: bool | None = None) -> np.ndarray:
        return self[:, :]


class Store:
    """Decoded images, and images made from them, by their original files.

    Any number of processes and hosts may use one folder at a time. It may be removed while none does.

    Args:
        folder: created with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[str, Strips] = OrderedDict()
        self._layouts: dict[str, Layout] = {}
        self._lock = threading.Lock()
        self._most = _files() * 3 // 4

    @staticmethod
    def name(path: Path) -> str:
        """The name of the file of an image's pixels. It changes with the image.

        Raises:
            OSError: if there is no such image.
        """
        status = path.stat()
        state = f"{FORMAT} {status.st_size} {status.st_mtime_ns}"
        return f"{_owner(path)}-{_digest(state.encode())}.npy"

    @staticmethod
    def variant(name: str, made: str) -> str:
        """The name of the file of an image made from another, from the name of that one's file. An empty text gives the
        same name.
        """
        return f"{name.removesuffix('.npy')}-{_digest(made.encode())}.npy" if made else name

    def get(self, name: str) -> Strips | None:
        """The image in a file; None if it is missing or incomplete."""
        with self._lock:
            found = self._open.get(name)
            if found is None:
                path = self.folder / name
                try:
                    found = Strips(path, self._layouts.get(name))
                except (OSError, ValueError, EOFError):
                    self._layouts.pop(name, None)
                    return None
                self._open[name], self._layouts[name] = found, found.layout
            self._open.move_to_end(name)
            if len(self._open) > self._most:
                self._open.popitem(last=False)
        return found

    def put(self, name: str, pixels: np.ndarray) -> None:
        """Writes a file: the whole file or none.

        Raises:
            OSError: if there is no room, or no right to write.
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
        """Removes files of earlier states of these images, and the rests of kills."""
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


def _layout(file: BinaryIO) -> Layout:
    """The layout of a file. Raises ValueError if it is not a store's."""
    [width] = np.load(file, allow_pickle=False)
    np.lib.format.read_magic(file)
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
    if kind != np.uint8 or len(shape) != 4 or shape[2:] != (STRIP, 3) or by_columns or width > shape[0] * STRIP:
        raise ValueError("holds no image")
    return Layout(file.tell(), (shape[1], int(width), 3), file.tell() + math.prod(shape))


def _files() -> int:
    """Raises the limit of open files, and returns it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, which sets no such limit
        return _MAX_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    with contextlib.suppress(OSError, ValueError):
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _MAX_FILES if soft == resource.RLIM_INFINITY else soft


def _owner(path: Path) -> str:
    return _digest(os.fsencode(os.path.abspath(path)))


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:20]
