"""What a workdir holds, read as it is: files may be missing, half written, or of another version."""

import base64
import struct
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf import model_file, reading

PICTURE = b"\x89PNG\r\n\x1a\n"
HEADER = 24
"""Bytes of a PNG up to the end of its size."""


class Picture(NamedTuple):
    """A PNG for a page: a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


class UnreadableError(ValueError):
    """A file that is not what its name says."""


class Holdings:
    """The files of a workdir, by their names in it. Nothing is written, so another process may be at work there.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def json(self, name: str) -> Any:
        """What a JSON file holds; None where there is none.

        Raises:
            UnreadableError: where it is none.
        """
        content = self._read(name)
        if content is None:
            return None
        try:
            return reading.parse(content)
        except ValueError as error:
            raise UnreadableError(f"{name} is no JSON ({error})") from None

    def lines(self, name: str) -> list[dict]:
        """The objects of a journal, in order; a last line that is still being written is left out.

        Raises:
            UnreadableError: where a line is no object.
        """
        content = self._read(name) or b""
        entries = []
        for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
            try:
                entries.append(dict(reading.parse(line)))
            except (TypeError, ValueError):
                raise UnreadableError(f"line {number} of {name} is no JSON object") from None
        return entries

    def picture(self, name: str) -> Picture | None:
        """A PNG; None where there is none.

        Raises:
            UnreadableError: where it is none.
        """
        content = self._read(name)
        if content is None:
            return None
        if not content.startswith(PICTURE) or len(content) < HEADER:
            raise UnreadableError(f"{name} is no PNG")
        width, height = struct.unpack(">II", content[HEADER - 8 : HEADER])
        return Picture(f"data:image/png;base64,{base64.b64encode(content).decode()}", width, height)

    def model(self, name: str) -> model_file.Description | None:
        """What a `model.keras` says of itself; None where there is none."""
        path = self.path / name
        return model_file.read(path) if path.is_file() else None

    def names(self, pattern: str) -> list[str]:
        """The files of a pattern, in the order of their numbers and names."""
        found = [path.relative_to(self.path) for path in self.path.glob(pattern)]
        return [str(path) for path in sorted(found, key=_order)]

    def _read(self, name: str) -> bytes | None:
        try:
            return reading.content(self.path / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise UnreadableError(f"{name}: {error}") from None
        except OSError as error:
            raise UnreadableError(f"{name} cannot be read ({error.strerror})") from None


def _order(path: Path) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in path.parts]
