"""Pairs files of low-resolution images with those of high-resolution ones."""

import functools
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from srnas_tf.data import images
from srnas_tf.errors import UserError
from srnas_tf.kit.folders import few

_ADDED = re.compile(
    r"[-_. ]?(?:(?:srf[-_]?\d+)|(?:x\d+(?:m|d|w)?)|lrbi|lrbicx\d+|bicubic|lr|lq|hr|hq|gt)$", re.IGNORECASE
)
"""Additions to the image's own name: `0001x4`, `img_001_SRF_4_LR`."""

log = logging.getLogger(__name__)


def folder_of(spec: Path, scale: int) -> Path:
    """The subfolder of a scale's images; the folder itself if there is none."""
    names = (f"X{scale}", f"x{scale}", f"LRbicx{scale}")
    return next((spec / name for name in names if (spec / name).is_dir()), spec)


def layouts(folder: Path, scale: int) -> tuple[Path | None, list[Path]]:
    """Looks for low-resolution images beside a folder of high-resolution ones.

    Args:
        folder: `HR`, with `LR` or `LRbicx4` beside it; or `DIV2K_train_HR`, with `DIV2K_train_LR_bicubic/X4`.
        scale: the enlargement.

    Returns:
        The folder of low-resolution images of that scale, and similar folders that are not used.
    """
    stem = folder.name.removesuffix("HR")
    if stem == folder.name:
        return None, []
    like = sorted(path for path in _folders(folder.parent) if path.name.startswith(f"{stem}LR"))
    wanted = ("LR", f"LRbicx{scale}", "LR_bicubic", f"LR_x{scale}", f"LRx{scale}", f"LRbicx{scale}_matlab")
    for base in (folder.parent / f"{stem}{name}" for name in wanted):
        if not base.is_dir():
            continue
        found = folder_of(base, scale)
        other_scales = found == base and any(re.fullmatch(r"(?i)(?:LRbic)?x\d", path.name) for path in _folders(base))
        if not other_scales:
            return found, [path for path in like if path != base]
    return None, like


def _folders(parent: Path) -> Iterable[Path]:
    return (path for path in parent.iterdir() if path.is_dir())


def named(given: str, count: int) -> list[str]:
    """The values of a flag for so many folders: a folder, `none`, or "" for each."""
    return [given] * count if given in ("", "none") else given.split(",")


def of(hr: Sequence[Path], given: str, scale: int, use: bool, flag: str) -> dict[Path, Path]:
    """The low-resolution files of high-resolution ones, as far as they exist.

    Args:
        hr: the high-resolution files.
        given: the flag's value: a folder, `none`, or "" for files beside the high-resolution ones.
        scale: the enlargement.
        use: whether to use files beside the high-resolution ones.
        flag: named in messages.

    Raises:
        UserError: see `match`.
    """
    if given in ("", "none"):
        return found(hr, scale, use and not given, flag)
    return match(hr, folder_of(Path(given), scale), scale, flag)


def match(hr: Sequence[Path], folder: Path, scale: int, flag: str) -> dict[Path, Path]:
    """The low-resolution file of each high-resolution one, by their stems. Prints which files belong to none.

    Args:
        hr: the high-resolution files.
        folder: folder of the low-resolution files.
        scale: the enlargement.
        flag: named in messages.

    Raises:
        UserError: if files have none (their number, and the first three), or the folder is missing or empty.
    """
    files = images.find(folder)
    exact = {path.stem: path for path in files}
    bare: dict[str, Path] = {}
    for path in files:
        bare.setdefault(_bare(path.stem), path)
    found: dict[Path, Path] = {}
    for path in hr:
        names = (path.stem, f"{path.stem}x{scale}", f"{path.stem}_x{scale}")
        partner = next((exact[name] for name in names if name in exact), None) or bare.get(_bare(path.stem))
        if partner:
            found[path] = partner
    missing = [path for path in hr if path not in found]
    if missing:
        raise UserError(
            f"{folder}: holds no low-resolution image for {len(missing)} of {len(hr)} high-resolution ones: "
            f"{few(missing)}; add them, or give another --{flag}, or `none`"
        )
    # Files that are held out, or cannot be read, also lie there.
    there = {_bare(path.stem) for beside in {path.parent for path in hr} for path in beside.iterdir()}
    if spare := [path for path in files if _bare(path.stem) not in there]:
        _say(f"{folder}: {len(spare)} of its {len(files)} images belong to no high-resolution one: {few(spare)}")
    return found


def found(hr: Sequence[Path], scale: int, use: bool, flag: str) -> dict[Path, Path]:
    """The low-resolution files beside high-resolution ones, by `layouts`. Prints which folders are used, and which are
    not.

    Args:
        hr: the high-resolution files.
        scale: the enlargement.
        use: whether to use them.
        flag: the flag that can name other files.

    Raises:
        UserError: see `match`.
    """
    pairs: dict[Path, Path] = {}
    for folder in dict.fromkeys(path.parent for path in hr):
        used, others = layouts(folder, scale)
        if used and use:
            pairs |= match([path for path in hr if path.parent == folder], used, scale, flag)
            _say(f"low-resolution images are those of {used}; --{flag}=none reduces {folder} instead")
        elif used or others:
            why = f"none of its folders is known to be of x{scale}" if use else f"flags ask for reductions of {folder}"
            _say(f"{used or others[0]}: looks like low-resolution images, and is not used: {why}")
    return pairs


@functools.cache
def _say(line: str) -> None:
    """Prints a line once, on stderr."""
    log.warning("%s", line)


def _bare(stem: str) -> str:
    """A stem without the parts that tell low and high resolution apart."""
    while (shorter := _ADDED.sub("", stem)) and shorter != stem:
        stem = shorter
    return stem


def common_size(hr: Path, lr: Path | None, shapes: Mapping[Path, tuple[int, int]], scale: int) -> tuple[int, int]:
    """Height and width of a low-resolution image. If it is a file, both files of the pair reach that far.

    Raises:
        UserError: if the sizes differ by the scale or more. It names both files and their sizes.
    """
    height, width = shapes[hr]
    if lr is None:
        return height // scale, width // scale
    low_height, low_width = shapes[lr]
    if any(abs(high - scale * low) >= scale for high, low in ((height, low_height), (width, low_width))):
        raise UserError(
            f"{lr}: is {low_width} x {low_height} pixels, and {hr} {width} x {height}, which is not {scale} times as "
            "large; give pairs of one scale, and that as --scale"
        )
    if (height, width) != (scale * low_height, scale * low_width):
        log.warning("%s: its %d x %d pixels are cropped to fit its low-resolution image", hr, width, height)
    return min(height // scale, low_height), min(width // scale, low_width)
