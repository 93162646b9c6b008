"""Files that are written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

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
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is spoiled; remove it, then do again what wrote it") from None
