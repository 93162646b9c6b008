"""Journals: files with one JSON object on each line, which survive a kill."""

import json
from pathlib import Path

from srnas_tf import reading
from srnas_tf.errors import UserError, writing
from srnas_tf.workdir.files import write_text


def read_lines(path: Path) -> list[dict]:
    """The complete lines of a journal. A last line that a kill or a full disk cut short is also removed from the file.

    Raises:
        UserError: if one of them is no JSON object.
    """
    if not path.exists():
        return []
    try:
        content = reading.content(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}; remove it, then give the same command") from None
    complete = content[: content.rfind(b"\n") + 1]
    entries = [_entry(path, number, line) for number, line in enumerate(complete.splitlines(), start=1)]
    if complete != content:
        write_text(path, complete.decode("utf-8"))
    return entries


def _entry(path: Path, number: int, line: bytes) -> dict:
    try:
        entry = reading.parse(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise UserError(f"{path}: line {number} is spoiled; remove it and all that follow, then give the same command")
    return entry


def append_line(path: Path, entry: dict) -> None:
    """Adds a line.

    Raises:
        WorkError: if it cannot be written. `read_lines` removes an incomplete line.
    """
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
