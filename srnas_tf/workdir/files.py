"""Files that are written whole or not at all."""

import contextlib
import glob
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from srnas_tf import reading
from srnas_tf.errors import UserError, writing


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing: a reader never sees half of it.

    Raises:
        WorkError: where it cannot be written.
    """
    with writing(path), whole(path) as partial, partial.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


_PARTIAL = ".partial-"


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write that takes another one's place if all goes well, and goes away if not.

    Its name is its own, so that two who write the same file do not write into each other's; who comes last stays. What
    a kill left of earlier ones is removed once it is a day old.

    Yields:
        Where to write; the name ends as that of `path` does.

    Raises:
        OSError: where it cannot take its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{_PARTIAL}{secrets.token_hex(4)}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        _sweep(path)


def is_partial_of(path: Path, whole_path: Path) -> bool:
    """Whether a file is what a kill left of another one that was being written."""
    name = path.name.removeprefix(_PARTIAL)
    return path.name.startswith(_PARTIAL) and name[8:] == f"-{whole_path.name}" and path.parent == whole_path.parent


def _sweep(path: Path) -> None:
    with contextlib.suppress(OSError):
        for left in path.parent.glob(f"{_PARTIAL}????????-{glob.escape(path.name)}"):
            if time.time() - left.lstat().st_mtime > _DAY:
                left.unlink()


_DAY = 86_400


def write_json(path: Path, value: Any) -> None:
    """Writes a value as JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """What a file that `write_json` wrote says.

    Raises:
        UserError: where it cannot be read, or is no JSON.
    """
    try:
        return reading.parse(reading.content(path))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise _spoiled(path) from None


def read_record(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A record that `write_json` wrote, with these fields at least, each of its type. Raises as `read_json`."""
    found = read_json(path)
    try:
        reading.check_fields(found, fields)
    except ValueError as error:
        raise _spoiled(path, error) from None
    return found


def read_records(path: Path, fields: Mapping[str, Any], what: str) -> list[dict[str, Any]]:
    """A list of such records, of one at least. Raises as `read_json`.

    Args:
        what: the list is of, for the message.
    """
    found = read_json(path)
    if not isinstance(found, list) or not found:
        raise UserError(f"{path}: is no list of {what}; remove it, then do again what wrote it")
    for number, record in enumerate(found, start=1):
        try:
            reading.check_fields(record, fields)
        except ValueError as error:
            raise _spoiled(path, f"entry {number}: {error}") from None
    return found


def _spoiled(path: Path, why: object = "") -> UserError:
    return UserError(f"{path}: is spoiled{f' ({why})' if why else ''}; remove it, then do again what wrote it")
