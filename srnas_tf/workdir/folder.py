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
    """A folder that belongs to one experiment, and says which in `experiment.json`: a section a kind of settings.

    The first run of a mode writes the sections that it uses. A later run takes from there what its flags leave open,
    and is refused, with nothing written, where they contradict. A section that describes one subfolder holds as long
    as that subfolder is there: who removes `search/` may search the same supernet anew.

    A process that writes in the folder has its lock. It takes it when it enters the context, or, where there is no
    folder yet, when it makes it; the end of the context gives it back.

    Args:
        path: of the folder.
        owned: whether to write in it alone; for a process that only reads, or works for one that has the lock, False:
            it claims nothing.
        command: arguments of the command line, to be kept in `runs.jsonl` once something is written; None keeps none.

    Raises:
        UserError: where there is a record that cannot be read.
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
        """Takes the lock of a folder that is there, before minutes are spent on what could not be written.

        Raises:
            UserError: where another process has it, or the folder cannot be written.
        """
        if self.path.is_dir():
            self._own()
            self._sections = self._recorded()  # what another process wrote before it gave the lock back
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
        """Whether a section is recorded, and what was made by it still there."""
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
        """Records the sections that are not recorded yet; makes the folder.

        Raises:
            UserError: where the folder holds other things and no record, cannot be written, or belongs to another
                process.
        """
        if not self._lock:
            return
        fresh = {name: _plain(value) for name, value in sections.items() if not self.holds(name)}
        if self.path.is_dir():
            self._own()
            if self._recorded() != self._sections:
                raise UserError(f"--workdir={self.path}: another process began there meanwhile; give another")
            own = {self.record, self.path / lock.NAME, self.path / lock.OWNER, self.path / runs.NAME}
            # A partial file is what a kill left of the first claim.
            others = [path for path in set(self.path.iterdir()) - own if not _is_left(path, own)]
            if not self._sections and others:
                raise UserError(f"--workdir={self.path}: is not empty and holds no {self.record.name}; give another")
        self.make()
        if fresh:
            self._sections |= fresh
            write_json(self.record, self._sections)

    def make(self) -> None:
        """Makes the folder, takes its lock, says on stderr which it is, and keeps the command that writes there.

        Raises:
            UserError: where it cannot be written, or belongs to another process.
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
    """Settings as their record has them once it is read again."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))
