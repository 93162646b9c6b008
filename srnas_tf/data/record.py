"""Records the images that an experiment began with. With other images, others would be held out, and other patches
drawn.
"""

from pathlib import Path

from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.reading import is_of
from srnas_tf.workdir.files import read_json, write_json

NAME = "photographs.json"
"""The file in a workdir. By role, it holds the bytes of each image, by the names of its folder and its file."""


def keep(data: DataSettings, home: Path) -> None:
    """Records the images in a workdir, unless that is done.

    Raises:
        UserError: if a folder cannot be read.
        WorkError: if the file cannot be written.
    """
    if not (home / NAME).exists():
        write_json(home / NAME, {role: sizes(data, role) for role in _roles(data)})


def check(data: DataSettings, home: Path, *roles: str) -> None:
    """Refuses to continue with images other than the recorded ones, by names and bytes.

    Args:
        data: names the images.
        home: the workdir. If nothing is recorded there, the check passes.
        roles: the roles that are needed: "train", "val" or "test". By default all.

    Raises:
        UserError: names the first image that differs.
    """
    record = home / NAME
    if not record.exists():
        return
    then = read_json(record)
    if not is_of(then, dict[str, dict[str, int]]):
        raise UserError(f"{record}: is no list of images; remove it, then give the same command")
    if any(then.get(role) != sizes(data, role) for role in roles or _roles(data)):
        raise UserError(
            f"--data: {_difference(then, {role: sizes(data, role) for role in _roles(data)})} since {home} began; "
            f"restore them, or give another --workdir; to continue with the images of now, remove {record}"
        )


def _roles(data: DataSettings) -> tuple[str, ...]:
    """The roles that training depends on. The final table is not one of them if it has its own folder."""
    return ("train", "val") if data.test_data else ("train", "val", "test")


def sizes(data: DataSettings, role: str) -> dict[str, int]:
    """The bytes of each image of a role and of its low-resolution image, by the names of folder and file."""
    files = {"": data.paths(role), "low-resolution ": data.low_resolution_files(role)}
    return {
        f"{kind}{path.parent.name}/{path.name}": path.stat().st_size for kind, paths in files.items() for path in paths
    }


def _difference(then: dict[str, dict[str, int]], now: dict[str, dict[str, int]]) -> str:
    """The first image, by name, that has changed."""
    old, new = ({name: size for own in each.values() for name, size in own.items()} for each in (then, now))
    for name in sorted({*old, *new}):
        if name not in new:
            return f"{name} is gone"
        if name not in old:
            return f"{name} was added"
        if old[name] != new[name]:
            return f"{name} has changed, from {old[name]} bytes to {new[name]}"
    return "the choice of held-out images has changed"
