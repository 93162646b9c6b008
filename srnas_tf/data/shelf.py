"""Keeps decoded images in memory or in a store on disk, or decodes them again when they are asked for."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from srnas_tf.data import images
from srnas_tf.data.store import Store, Strips, default_folder
from srnas_tf.errors import UserError
from srnas_tf.host.devices import cores
from srnas_tf.host.progress import progress
from srnas_tf.kit import formats

SMALL = 64 << 20
"""Bytes of pixels that are decoded quickly, and not worth a store."""

_RESERVE = 256 << 20
"""Bytes that a store leaves free on its disk."""

Make = Callable[[np.ndarray, Path], np.ndarray]
"""(decoded image, path) -> an image that is kept with it."""

log = logging.getLogger(__name__)


def open_store(cache_dir: str) -> Store | None:
    """The store of `--cache_dir`: a folder, by default the user's cache; None for `none`."""
    if cache_dir == "none":
        return None
    return Store(Path(cache_dir).expanduser() if cache_dir else default_folder())


class Shelf:
    """Decoded images by their files.

    More than a few images go to the store, if there is one. Others stay in memory while they fit. The rest is decoded
    again at each use. All three ways give the same bytes.

    Args:
        memory: bytes of pixels to keep in memory.
        store: keeps more than a few images; None for no store.
    """

    def __init__(self, memory: int, store: Store | None = None) -> None:
        self._memory, self._store = memory, store
        self._used = 0
        self._kept: dict[Path, np.ndarray] = {}
        self._made: dict[tuple[Path, str], np.ndarray] = {}
        self._stored: dict[Path, str] = {}
        """The names in the store."""
        self.shapes: dict[Path, tuple[int, int]] = {}
        """Height and width of each image that could be read."""

    def load(self, paths: Iterable[Path], make: Mapping[str, Make] = {}) -> None:
        """Loads images. A warning names broken ones, which get no shape.

        Args:
            paths: image files.
            make: further images to keep in the store, each with a unique text.

        Raises:
            UserError: if none can be read.
        """
        paths = list(dict.fromkeys(paths))
        if not paths:
            return
        if self._store and decoded_bytes(paths) > SMALL:
            self._fill(paths, make)
        rest = [path for path in paths if path not in self._stored]
        try:
            for path, pixels in images.load_all(rest, lambda pixels: pixels) if rest else ():
                self._used += pixels.nbytes
                self.shapes[path] = pixels.shape[:2]
                if self._used <= self._memory:
                    self._kept[path] = pixels
        except UserError as error:
            if len(rest) == len(paths):
                raise
            log.warning("left out: %s", error)
        again = [path for path in rest if path in self.shapes and path not in self._kept]
        if again:
            log.warning("%d of %d images do not fit in memory and are read again from disk", len(again), len(paths))

    def pixels(self, path: Path) -> np.ndarray | Strips:
        """The pixels, uint8 [height, width, 3]. Do not write to them.

        Raises:
            UserError: if it must be read again, and cannot be.
        """
        if path in self._kept:
            return self._kept[path]
        stored = self._find(path)
        return images.load(path) if stored is None else stored

    def made(self, path: Path, text: str, make: Make) -> np.ndarray | Strips | None:
        """The result of `make` that is kept with an image; None if the image is not kept."""
        if path in self._kept:
            if (path, text) not in self._made:
                self._made[path, text] = make(self._kept[path], path)
            return self._made[path, text]
        return self._find(path, text)

    def _find(self, path: Path, text: str = "") -> Strips | None:
        if not self._store or path not in self._stored:
            return None
        # By the name at loading: a change of the image does not change a running training.
        return self._store.get(Store.variant(self._stored[path], text))

    def _fill(self, paths: list[Path], make: Mapping[str, Make]) -> None:
        """Decodes missing images into the store, with all cores, as long as its disk has room."""
        store = self._store
        assert store
        named: dict[Path, str] = {}
        for path in paths:
            if path.is_file():
                named[path] = store.name(path)
        missing = [
            path for path in named if any(store.get(Store.variant(named[path], text)) is None for text in ("", *make))
        ]
        if missing:
            self._decode(missing, named, make, len(paths))
        for path, name in named.items():
            found = store.get(name)
            if found is not None:
                self._stored[path] = name
                self.shapes[path] = found.shape[:2]

    def _decode(self, missing: list[Path], named: Mapping[Path, str], make: Mapping[str, Make], count: int) -> None:
        store = self._store
        assert store
        store.clean(list(named))
        size = decoded_bytes(missing)
        said = f"{len(missing)} of {count} images, {_bytes(size)}"
        if size + _RESERVE > (free := _free(store.folder)):
            log.warning(
                "--cache_dir=%s: has %s free, which is too little for %s: they are decoded again and again; make "
                "room, or name a folder on a larger disk", store.folder, _bytes(free), said,
            )  # fmt: skip
            return
        print(f"decoding {said}, into {store.folder} (--cache_dir)", file=sys.stderr, flush=True)
        full: list[OSError] = []

        def decode(path: Path) -> None:
            if full:
                return
            try:
                stored = store.get(named[path])  # which another process may have written by now
                pixels = images.load(path) if stored is None else np.asarray(stored)
                if stored is None:
                    store.put(named[path], pixels)
                for text, each in make.items():
                    if store.get(Store.variant(named[path], text)) is None:
                        store.put(Store.variant(named[path], text), each(pixels, path))
            except UserError:
                return  # it is named when it is read again
            except OSError as error:
                full.append(error)

        # Processes that start together begin at different images, and share the work.
        turn = os.getpid() * 7919 % len(missing)
        pool = ThreadPoolExecutor(cores())
        try:
            with progress("images decoded", len(missing)) as report:
                for done, _ in enumerate(pool.map(decode, missing[turn:] + missing[:turn]), start=1):
                    report(done, "")
        finally:
            pool.shutdown(cancel_futures=True)
        if full:
            log.warning(
                "--cache_dir=%s: cannot be written (%s): images that are not there yet are decoded again and again; "
                "make room, or name another folder", store.folder, full[0].strerror,
            )  # fmt: skip


def decoded_bytes(paths: Iterable[Path]) -> int:
    """Bytes of the decoded images, from their files' headers. Broken ones count 0."""
    total = 0
    for path in paths:
        try:
            with Image.open(path, formats=formats.KINDS) as image:
                total += 3 * image.width * image.height
        except Exception:  # loading the image names the error, as in `images`
            continue
    return total


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _free(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    try:
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
