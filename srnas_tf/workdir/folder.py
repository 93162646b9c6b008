"""The folder of an experiment, which remembers its settings."""

import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from srnas_tf import reading
from srnas_tf.errors import UserError, is_full, not_written
from srnas_tf.workdir import lock, runs
from srnas_tf.workdir.files import is_partial_of, write_json

S = TypeVar("S")


class Workdir:
    """A folder that belongs to one experiment. `experiment.json` records its settings, with a section for each kind.

    The first run of a mode writes its sections. A later run takes settings from there that its flags do not give. If
    flags contradict the record, it is refused, and nothing is written. A section for one subfolder is valid as long as
    that subfolder exists: without `search/`, the same supernet can be searched again.

    A process that writes in the folder holds its lock. It takes the lock when it enters the context, or when it makes
    the folder. The end of the context releases it.

    Args:
        path: path of the folder.
        owned: whether to take the lock. False for a process that only reads, or works for the lock's holder.
        command: arguments of the command line for `runs.jsonl`, recorded once something is written; None records
            nothing.

    Raises:
        UserError: if there is a record that cannot be read.
    """

    FOLDERS: ClassVar = {
        "supernet": "supernet",
        "search": "search",
        "budget": "search",
        "rungs": "search",
        "alone": "search",
        "latency": "search",
        "pick": "retrain",
        "retraining": "retrain",
        "retrain": "retrain",
        "rank": "rank",
        "ranked": "rank",
        "train": "train",
        "subject": "train",
    }

    def __init__(self, path: str | Path, owned: bool = True, command: Sequence[str] | None = None) -> None:
        self.path = Path(path).expanduser()
        if os.fsencode(self.path).decode("utf-8", "ignore") != str(self.path):
            raise UserError(f"--workdir={self.path}: is not UTF-8, as TensorFlow's paths are; give another")
        self.record = self.path / "experiment.json"
        self._lock = lock.Lock(self.path) if owned else None
        self._command = command
        self._sections = self._recorded()
        self._announced = False

    def __enter__(self) -> Self:
        """Takes the lock of an existing folder, so that a conflict is found before the work begins.

        Raises:
            UserError: if another process has it, or the folder cannot be written.
        """
        if self.path.is_dir():
            self._own()
            self._sections = self._recorded()  # another process may have written since
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.release()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def owned(self) -> bool:
        """Whether this process writes in it."""
        return self._lock is not None

    def holds(self, section: str) -> bool:
        """Whether a section is recorded, and its subfolder still exists."""
        folder = self.FOLDERS.get(section)
        return section in self._sections and (folder is None or (self.path / folder).exists())

    def settle(self, section: str, kind: type[S], given: dict[str, Any], defaults: dict[str, Any]) -> S:
        """The settings of a section: recorded ones, or else given flags over defaults. Writes nothing.

        Args:
            section: its name in the record.
            kind: the settings' dataclass.
            given: explicit values from the user.
            defaults: values of fields that differ from the dataclass' own.

        Raises:
            UserError: if a given flag contradicts the record.
        """
        if not self.holds(section):
            return kind(**(defaults | given))
        try:
            settled = reading.settings_of(kind, self._sections[section])
        except UserError as error:
            raise UserError(f"{self.record}: {error}") from None
        except TypeError:
            raise UserError(f"{self.record}: written by another version; give another --workdir") from None
        except ValueError as error:
            raise UserError(f"{self.record}: is spoiled ({section}: {error}); give another --workdir") from None
        asked = dataclasses.replace(settled, **given)  # type: ignore[type-var]
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
        """Records new sections, and makes the folder.

        Raises:
            UserError: if the folder holds other things and no record, cannot be written, or belongs to another process.
        """
        if not self._lock:
            return
        fresh = {name: _plain(value) for name, value in sections.items() if not self.holds(name)}
        if self.path.is_dir():
            self._own()
            if self._recorded() != self._sections:
                raise UserError(f"--workdir={self.path}: another process began there meanwhile; give another")
            own = {self.record, self.path / lock.NAME, self.path / lock.OWNER, self.path / runs.NAME}
            # A partial file is the rest of a kill in the first claim.
            others = [path for path in set(self.path.iterdir()) - own if not _is_left(path, own)]
            if not self._sections and others:
                raise UserError(f"--workdir={self.path}: is not empty and holds no {self.record.name}; give another")
        self.make()
        if fresh:
            self._sections |= fresh
            write_json(self.record, self._sections)

    def make(self) -> None:
        """Makes the folder, takes its lock, prints its name on stderr, and records the command.

        Raises:
            UserError: if it cannot be written, or belongs to another process.
        """
        self._own()
        if not self._announced:
            print(f"workdir: {self.path}", file=sys.stderr, flush=True)
            self._announced = True
            if self._lock and self._command is not None:
                runs.note(self.path, self._command)

    def _own(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            if self._lock:
                self._lock.take()
        except lock.HeldError as error:
            raise UserError(f"--workdir={self.path}: {error} works there; wait for it, or give another") from None
        except OSError as error:
            if is_full(error):
                raise not_written(self.path, error) from None
            raise UserError(f"--workdir={self.path}: {error.strerror}; give a folder that can be written") from None

    def _recorded(self) -> dict[str, Any]:
        """The sections of the record."""
        try:
            sections = reading.parse(reading.content(self.record)) if self.record.exists() else {}
        except (OSError, ValueError) as error:
            raise UserError(f"{self.record}: cannot be read ({error}); give another --workdir") from None
        if not isinstance(sections, dict):
            raise UserError(f"{self.record}: is not the record of an experiment; give another --workdir")
        return sections


def _is_left(path: Path, own: set[Path]) -> bool:
    return any(is_partial_of(path, each) for each in own)


def _plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON, as they are read again."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))
