"""Settings: frozen dataclasses whose fields are the command line's flags, and the folder that remembers them."""

import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from srnas_tf.errors import UserError

S = TypeVar("S")


def setting(default: Any, help: str, choices: Sequence = ()) -> Any:
    """A dataclass field that is also a flag of the same name, type and default."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": tuple(choices)})


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")


class Workdir:
    """A folder that belongs to one experiment, and says which in `experiment.json`: a section a kind of settings.

    The first run of a mode writes the sections that it uses. A later run takes from there what its flags leave open,
    and is refused, with nothing written, where they contradict. A section that describes one subfolder holds as long
    as that subfolder is there: who removes `search/` may search the same supernet anew.
    """

    FOLDERS: ClassVar = {
        "supernet": "supernet",
        "search": "search",
        "budget": "search",
        "pick": "retrain",
        "retraining": "retrain",
        "retrain": "retrain",
        "train": "train",
        "subject": "train",
    }

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.record = self.path / "experiment.json"
        try:
            self._sections = json.loads(self.record.read_text("utf-8")) if self.record.exists() else {}
        except (OSError, ValueError) as error:
            raise UserError(f"{self.record}: cannot be read ({error}); give another --workdir") from None
        if not isinstance(self._sections, dict):
            raise UserError(f"{self.record}: is not the record of an experiment; give another --workdir")
        self._announced = False

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def holds(self, section: str) -> bool:
        folder = self.FOLDERS.get(section)
        return section in self._sections and (folder is None or (self.path / folder).exists())

    def settle(self, section: str, kind: type[S], given: dict[str, Any], defaults: dict[str, Any]) -> S:
        """The settings of a section: recorded ones, or else given flags over defaults. Writes nothing.

        Args:
            section: its name in the record.
            kind: the settings' dataclass.
            given: what the user asked for explicitly.
            defaults: values of fields that differ from the dataclass' own.

        Raises:
            UserError: where a given flag contradicts the record.
        """
        if not self.holds(section):
            return kind(**(defaults | given))
        try:
            settled = kind(**self._sections[section])
            asked = dataclasses.replace(settled, **given)  # type: ignore[type-var]
        except TypeError:
            raise UserError(f"{self.record}: written by another version; give another --workdir") from None
        differing = [name for name in given if getattr(asked, name) != getattr(settled, name)]
        if differing:
            name, folder = differing[0], self.FOLDERS.get(section)
            anew = f", remove {self.path / folder} to begin it anew," if folder else ""
            raise UserError(
                f"--{name}={getattr(asked, name)} contradicts {getattr(settled, name)} in {self.record}, "
                f"which belongs to another experiment ({section}); drop the flag{anew} or give another --workdir"
            )
        return settled

    def claim(self, **sections: Any) -> None:
        """Records the sections that are not recorded yet; makes the folder.

        Raises:
            UserError: where the folder holds other things and no record, or cannot be written.
        """
        fresh = {name: dataclasses.asdict(value) for name, value in sections.items() if not self.holds(name)}
        if not self._sections and self.path.is_dir():
            # A partial record is what a kill left of the first claim.
            others = [path for path in self.path.iterdir() if path != _partial(self.record)]
            if others:
                raise UserError(f"--workdir={self.path}: is not empty and holds no {self.record.name}; give another")
        self.make()
        if fresh:
            self._sections |= fresh
            write_json(self.record, self._sections)

    def make(self) -> None:
        """Makes the folder, and says on stderr which it is.

        Raises:
            UserError: where it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise UserError(f"--workdir={self.path}: {error.strerror}; give a folder that can be written") from None
        if not self._announced:
            print(f"workdir: {self.path}", file=sys.stderr, flush=True)
            self._announced = True
