"""Which photographs an experiment began with: of others, other ones would be held out, and other patches drawn."""

from pathlib import Path

from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.reading import is_of
from srnas_tf.workdir.files import read_json, write_json

NAME = "photographs.json"
"""The file in a workdir: by role, the bytes of each photograph by its folder's name and its own."""


def keep(data: DataSettings, home: Path) -> None:
    """Records them in a workdir, unless that is done.

    Raises:
        UserError: where a folder cannot be read.
        WorkError: where the file cannot be written.
    """
    if not (home / NAME).exists():
        write_json(home / NAME, {role: sizes(data, role) for role in _roles(data)})


def check(data: DataSettings, home: Path, *roles: str) -> None:
    """Refuses to go on with other photographs than those that are recorded, by names and bytes.

    Args:
        data: where they are.
        home: the workdir; one that records none is of no other opinion.
        roles: what is needed of them, "train", "val" or "test"; all, unless given.

    Raises:
        UserError: naming the first that differs.
    """
    record = home / NAME
    if not record.exists():
        return
    then = read_json(record)
    if not is_of(then, dict[str, dict[str, int]]):
        raise UserError(f"{record}: is no list of photographs; remove it, then give the same command")
    if any(then.get(role) != sizes(data, role) for role in roles or _roles(data)):
        raise UserError(
            f"--data: {_difference(then, {role: sizes(data, role) for role in _roles(data)})} since {home} was begun; "
            f"give back what was there, or give another --workdir; to go on with what is there now, remove {record}"
        )


def _roles(data: DataSettings) -> tuple[str, ...]:
    """Those of which training can depend: photographs for the final table that have their own folder do not."""
    return ("train", "val") if data.test_data else ("train", "val", "test")


def sizes(data: DataSettings, role: str) -> dict[str, int]:
    """The bytes of each photograph of a role, and of its low-resolution image, by its folder's name and its own."""
    files = {"": data.paths(role), "low-resolution ": data.low_resolution_files(role)}
    return {
        f"{kind}{path.parent.name}/{path.name}": path.stat().st_size for kind, paths in files.items() for path in paths
    }


def _difference(then: dict[str, dict[str, int]], now: dict[str, dict[str, int]]) -> str:
    """The first photograph, by name, that is not what it was."""
    old, new = ({name: size for own in each.values() for name, size in own.items()} for each in (then, now))
    for name in sorted({*old, *new}):
        if name not in new:
            return f"{name} is gone"
        if name not in old:
            return f"{name} was added"
        if old[name] != new[name]:
            return f"{name} has changed, from {old[name]} bytes to {new[name]}"
    return "what is held out has changed"
