"""Reads image files: any common file becomes uint8 RGB, as a screen shows it."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from srnas_tf.errors import UserError
from srnas_tf.host import silence
from srnas_tf.host.progress import progress
from srnas_tf.kit import folders, reading

T = TypeVar("T")

log = logging.getLogger(__name__)

_told: set[str] = set()
"""The messages about folders so far. A folder is read more than once."""


def find(folder: Path, recursive: bool = False, besides: Path | None = None) -> list[Path]:
    """The image files of a folder, by name. Files that are left out are named once.

    Args:
        folder: folder to search.
        recursive: whether to search sub-folders, too.
        besides: a sub-folder to leave out silently.

    Raises:
        UserError: if the folder is missing, may not be read, or holds no images.
    """
    found = folders.find(folder, recursive, besides)
    line = f"{folder}: left out: {found.left_out}"
    if found.left_out and line not in _told:
        _told.add(line)
        log.warning("%s", " ".join(line.split()))
    return found.paths


def load(path: Path) -> np.ndarray:
    """A file as uint8 RGB [height, width, 3]. 16 bits are scaled to 8, and transparent pixels are shown on white.

    Raises:
        UserError: if the file is missing, broken, or not an image.
    """
    silence.libtiff()
    photograph = reading.eight_bits(reading.take_apart(path, reading.open_file(path)))
    if photograph.alpha is None:
        return photograph.pixels[:]
    layer = Image.fromarray(np.concatenate([photograph.pixels[:], photograph.alpha[:]], axis=-1))
    return np.array(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))


def load_all(paths: Iterable[Path], prepare: Callable[[np.ndarray], T]) -> Iterator[tuple[Path, T]]:
    """`prepare` of all readable files, in order. A warning names each broken one.

    Args:
        paths: image files.
        prepare: called with an image, uint8 RGB [height, width, 3]; in several threads.

    Raises:
        UserError: if none can be read.
    """
    paths = list(paths)
    broken: list[str] = []

    def attempt(path: Path) -> T | UserError:
        try:
            pixels = load(path)
        except UserError as error:
            return error
        return prepare(pixels)

    with ThreadPoolExecutor(max_workers=4) as pool, progress("images", len(paths)) as report:
        for start in range(0, len(paths), 16):  # bounded: undecoded images wait on disk, not in memory
            part = paths[start : start + 16]
            for done, (path, result) in enumerate(zip(part, pool.map(attempt, part), strict=True), start + 1):
                report(done, path.name)
                if isinstance(result, UserError):
                    broken.append(str(result))
                else:
                    yield path, result
    if broken and len(broken) == len(paths):
        raise UserError(f"none of the {len(paths)} images can be read; the first: {broken[0]}")
    for message in broken:
        log.warning("skipped %s", " ".join(message.split()))  # a name may have several lines
