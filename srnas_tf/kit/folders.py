"""Finds the images of a folder, and names their results."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import formats
from .mistakes import UserError

UNREAD = (
    ".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jpf", ".jxl", ".psd", ".svg", ".tga", ".exr", ".hdr", ".ico",
    ".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2",
)  # fmt: skip
"""Suffixes of images that are not read, unless a package for them is installed."""

_NAMED = 3
"""The number of files that a message names."""


class Found(NamedTuple):
    """The content of a folder, without hidden files, which begin with a dot.

    Attributes:
        paths: images, by name.
        unread: images of a kind that is not read.
        folders: sub-folders that were not searched.
    """

    paths: list[Path]
    unread: list[Path]
    folders: list[Path]

    @property
    def left_out(self) -> str:
        """A line that says what was left out and what to do; empty if nothing was."""
        parts = []
        if self.unread:
            heic = any(path.suffix.lower() in (".heic", ".heif") for path in self.unread)
            cure = "make PNG or JPEG of them" + (", or `pip install pillow-heif`, which reads HEIC" if heic else "")
            parts.append(f"{_counted(self.unread, 'image')} of a kind that is not read: {cure}")
        if self.folders:
            parts.append(f"{_counted(self.folders, 'sub-folder')}: give --recursive to have them too")
        return "; ".join(parts)


def few(paths: Sequence[Path]) -> str:
    """The names of the first files, and whether there are more."""
    return ", ".join(path.name for path in paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")


def _counted(paths: Sequence[Path], what: str) -> str:
    return f"{len(paths)} {what}{'s' * (len(paths) > 1)} ({few(paths)})"


def find(folder: Path, recursive: bool = False, besides: Path | None = None) -> Found:
    """The image files of a folder.

    Args:
        folder: folder to search.
        recursive: whether to search sub-folders, too.
        besides: a sub-folder to leave out silently.

    Raises:
        UserError: if the folder is missing, may not be read, or holds no image.
    """
    found = Found([], [], [])
    try:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give a folder of images")
        _look(folder, recursive, besides and besides.resolve(), found)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; give a folder of images") from None
    if not found.paths:
        more = f"; left out: {found.left_out}" if found.left_out else ""
        raise UserError(f"{folder}: holds no images ({', '.join(formats.READ)}){more}")
    return Found(*map(sorted, found))


def _look(folder: Path, recursive: bool, besides: Path | None, found: Found) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            kind = path.suffix.lower()
            if entry.name.startswith("."):
                continue
            if path.is_dir():
                if besides and path.resolve() == besides:
                    continue
                if recursive and not entry.is_symlink():
                    _look(path, recursive, besides, found)
                else:
                    found.folders.append(path)
            elif kind in formats.READ and path.is_file():
                found.paths.append(path)
            elif kind in UNREAD and path.is_file():
                found.unread.append(path)


def jobs(
    source: Path, target: Path | None, paths: Sequence[Path], scale: int, form: str = ""
) -> list[tuple[Path, Path]]:
    """The result's path for each image.

    Args:
        source: an image, or a folder.
        target: a file, or a folder; None: `NAME-x4.png` or the folder `NAME-x4`, beside the source.
        paths: the folder's images, or the image alone.
        scale: the enlargement.
        form: format of all results, a key of `formats.BY_NAME`. By default images of a folder keep their own, or become
            PNG if it cannot be written. A target that is a file has its own format.

    Raises:
        UserError: if a result would replace its original or another result, or cannot be written. Also if the user did
            not name it, and such a file exists.
    """
    named = target or _beside(source, scale, form)
    try:
        if not target and named.is_file():
            raise UserError(f"{named}: is there already; remove it, or name another file")
        return _jobs(source, named, paths, form)
    except OSError as error:  # a name that is too long, for one
        raise UserError(f"{named}: cannot be written ({error.strerror or error}); give another name") from None


def _beside(source: Path, scale: int, form: str) -> Path:
    if source.is_dir():
        whole = source.resolve()  # `.` has no name
        return whole.parent / f"{whole.name}-x{scale}"
    return source.parent / f"{source.stem}-x{scale}{formats.BY_NAME[form or 'png']}"


def _jobs(source: Path, target: Path, paths: Sequence[Path], form: str) -> list[tuple[Path, Path]]:
    if source.is_dir():
        if target.exists() and not target.is_dir():
            raise UserError(f"{target}: is a file, but {source} is a folder; name a folder")
        made = [(path, target / _named(path.relative_to(source), form)) for path in paths]
    else:
        made = [(source, target / _named(Path(source.name), form) if target.is_dir() else target)]
    taken: dict[Path, Path] = {}
    for path, result in made:
        formats.of(result)
        if result.exists() and path.exists() and result.samefile(path):
            raise UserError(f"{result}: would overwrite the original {path}; give another file or folder")
        if result in taken:
            raise UserError(f"{result}: {taken[result].name} and {path.name} would both be written there; rename one")
        taken[result] = path
    return made


def _named(path: Path, form: str) -> Path:
    if form:
        return path.with_suffix(formats.BY_NAME[form])
    return path if path.suffix.lower() in formats.SUFFIXES else path.with_suffix(".png")
