"""Writes files whole or not at all."""

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
    """Writes a file whole or not at all. A reader never sees half of it.

    Raises:
        WorkError: if it cannot be written.
    """
    with writing(path), whole(path) as partial, partial.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


_PARTIAL = ".partial-"


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file that replaces another one if the block ends well, and is removed if not.

    Its name is unique, so that two processes can write the same file; the last one wins. Rests of kills are removed
    once they are a day old.

    Yields:
        The path to write. Its suffix is that of `path`.

    Raises:
        OSError: if it cannot replace the file.
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
    """Whether a file is the rest of a kill while another file was written."""
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
    """Reads a file that `write_json` wrote.

    Raises:
        UserError: if it cannot be read, or is no JSON.
    """
    try:
        return reading.parse(reading.content(path))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise _spoiled(path) from None


def read_record(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Reads a record with at least these fields and their types. Raises as `read_json`."""
    found = read_json(path)
    try:
        reading.check_fields(found, fields)
    except ValueError as error:
        raise _spoiled(path, error) from None
    return found


def read_records(path: Path, fields: Mapping[str, Any], what: str) -> list[dict[str, Any]]:
    """Reads a list with at least one such record. Raises as `read_json`.

    Args:
        what: name of the records, for messages.
    """
    found = read_json(path)
    if not isinstance(found, list) or not found:
        raise UserError(f"{path}: is no list of {what}; remove it, and run the command that wrote it again")
    for number, record in enumerate(found, start=1):
        try:
            reading.check_fields(record, fields)
        except ValueError as error:
            raise _spoiled(path, f"entry {number}: {error}") from None
    return found


def _spoiled(path: Path, why: object = "") -> UserError:
    return UserError(
        f"{path}: is spoiled{f' ({why})' if why else ''}; remove it, and run the command that wrote it again"
    )
