"""Reads the files of a workdir, which may be missing, half written, or written by another version."""

import base64
import struct
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf import model_file, reading

PICTURE = b"\x89PNG\r\n\x1a\n"
HEADER = 24
"""Number of bytes of a PNG up to the end of its width and height."""


class Picture(NamedTuple):
    """A PNG as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


class UnreadableError(ValueError):
    """A file does not have the format that its name promises."""


class Holdings:
    """Reads files of a workdir by their names in it.

    It writes nothing, so that another process can work in the folder at the same time.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def json(self, name: str) -> Any:
        """Reads a JSON file; returns None if there is no such file.

        Raises:
            UnreadableError: if the file cannot be read or is not JSON.
        """
        content = self._read(name)
        if content is None:
            return None
        try:
            return reading.parse(content)
        except ValueError as error:
            raise UnreadableError(f"{name} is no JSON ({error})") from None

    def lines(self, name: str) -> list[dict]:
        """Reads the objects of a journal, in order; without a last line that is still being written.

        A missing file gives an empty list.

        Raises:
            UnreadableError: if the file cannot be read, or a line is not a JSON object.
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
        """Reads a PNG; returns None if there is no such file.

        Raises:
            UnreadableError: if the file cannot be read or is not a PNG.
        """
        content = self._read(name)
        if content is None:
            return None
        if not content.startswith(PICTURE) or len(content) < HEADER:
            raise UnreadableError(f"{name} is no PNG")
        width, height = struct.unpack(">II", content[HEADER - 8 : HEADER])
        return Picture(f"data:image/png;base64,{base64.b64encode(content).decode()}", width, height)

    def model(self, name: str) -> model_file.Description | None:
        """Reads the description inside a `model.keras`; returns None if there is no such file.

        Raises:
            UserError: if the file is not a model of this package.
        """
        path = self.path / name
        return model_file.read(path) if path.is_file() else None

    def names(self, pattern: str) -> list[str]:
        """Names of the files that match a pattern. Names that are numbers come first, in numerical order."""
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
