"""Holds out images of a folder for validation and for the final table."""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from srnas_tf.errors import UserError
from srnas_tf.kit import reading

SHARE = 10
"""Each role gets one of so many images."""


def split(paths: Sequence[Path], held_out: Sequence[str]) -> dict[str, list[Path]]:
    """Images by role. Held-out images are drawn by a hash of their names from those that can be read. The rest is
    "train".

    Files that differ only in their suffix usually show the same picture. They get the same role.

    Args:
        paths: images of a folder, sorted.
        held_out: roles that take a tenth of the images each, at least one.

    Raises:
        UserError: if too few can be read.
    """
    alike: dict[Path, list[Path]] = {}
    for path in paths:
        alike.setdefault(path.with_suffix(""), []).append(path)
    shuffled = sorted(alike.values(), key=lambda group: hashlib.sha256(os.fsencode(group[0].name)).digest())
    shares: dict[str, list[Path]] = {role: [] for role in held_out}
    rest: list[Path] = []
    left = iter(shuffled)
    for role in held_out:
        while len(shares[role]) < max(1, len(paths) // SHARE):
            group = next(left, None)
            if group is None:
                raise UserError(
                    f"{paths[0].parent}: too few of its {len(paths)} images can be read to hold some out; add images, "
                    "or give --val_data"
                )
            (shares[role] if all(map(_readable, group)) else rest).extend(group)
    rest += [path for group in left for path in group]
    if held_out and not any(map(_readable, rest)):
        raise UserError(f"{paths[0].parent}: too few images to hold some out; add images, or give --val_data")
    return {**{role: sorted(share) for role, share in shares.items()}, "train": sorted(rest)}


def _readable(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return _seen(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache(None)
def _seen(path: Path, size: int, changed: int) -> bool:
    """Whether a file could be read. The answer is kept, because each role asks for all files."""
    return reading.is_readable(path)
