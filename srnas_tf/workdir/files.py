"""Files that are written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srnas_tf import reading
from srnas_tf.errors import UserError, writing


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing: a reader never sees half of it.

    Raises:
        WorkError: where it cannot be written.
    """
    partial = partial_of(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def partial_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.partial")


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
