"""Settings of export and of latency."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from srnas_tf.arch.latency import parse_size
from srnas_tf.errors import UserError
from srnas_tf.freeze import stopwatch
from srnas_tf.freeze.runtimes import BY_NAME, FORMS, RUNTIMES, machine
from srnas_tf.settings import MANY, check, setting


class Conditions(Protocol):
    """A latency table or a model, which knows how it was measured."""

    @property
    def runtime(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def input_size(self) -> str: ...


@dataclass(frozen=True)
class LatencySettings:
    """The conditions of latency. Flags that are not given take the table's values, if there is a table."""

    runtime: str = setting(
        "",
        "runtime that is timed, or that upscales; by default that of --latency_table, or onnxruntime; litert-int8 and "
        "its like time a space's networks as files of that precision",
        ("", *BY_NAME),
    )
    threads: int = setting(
        0, "threads of the runtime; 0: those of --latency_table, or one for each core", bounds=(0, 1024)
    )
    input_size: str = setting(
        "", "size of the low-resolution image, HEIGHTxWIDTH; by default that of --latency_table, or 128x128"
    )
    latency_networks: int = setting(
        150,
        "networks to time for a wide space: one with several trunks, or with more blocks than this number",
        bounds=(20, 100_000),
    )
    latency_table: str = setting(
        "", "a latency table from another machine (export/latency); by default one is measured here and kept"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.latency_table:
            object.__setattr__(self, "latency_table", os.path.abspath(Path(self.latency_table).expanduser()))
        else:
            for name, usual in (("runtime", "onnxruntime"), ("threads", machine.cores()), ("input_size", "128x128")):
                object.__setattr__(self, name, getattr(self, name) or usual)
        if self.input_size:
            try:
                parse_size(self.input_size)
            except ValueError as error:
                raise UserError(f"--input_size={self.input_size}: {error}") from None

    @property
    def name(self) -> str:
        """The conditions for names of files: `onnxruntime-t2-128x128`."""
        return stopwatch.name_of(dataclasses.asdict(self))

    @classmethod
    def of(cls, table: Conditions) -> "LatencySettings":
        """A table's conditions, for measurements to compare with it."""
        return cls(table.runtime, table.threads, table.input_size)

    def agree(self, table: Conditions, source: str) -> None:
        """Refuses a table of other conditions.

        Args:
            source: the flag or file to name.

        Raises:
            UserError: names what differs.
        """
        for name in ("runtime", "threads", "input_size"):
            asked, has = getattr(self, name), getattr(table, name)
            if asked and asked != has:
                raise UserError(f"--{name}={asked}: {source} was measured with {has}; drop one of the two")


FILES = tuple(form.name for form in FORMS if not form.stands_for)
"""The exported files by name. Stages come with the files that they stand for."""

USUAL_FILES = tuple(form.name for each in RUNTIMES if not each.extra for form in each.forms if not form.stands_for)
"""The files that are made by default. They need no extra."""


@dataclass(frozen=True)
class ExportSettings:
    """The exported files, their input, and how they are checked."""

    export_files: str = setting(
        "",
        f"files to export, with commas between them, of {', '.join(FILES)}; stages come with them; by default all but "
        f"{' and '.join(sorted(set(FILES) - set(USUAL_FILES)))}",
    )

    static_size: str = setting(
        "", "fixed size of the exported files' input, HEIGHTxWIDTH; by default they take any size"
    )
    uint8_io: bool = setting(False, "input and output of model_int8.tflite are uint8, 0 to 255, instead of float32")
    card_latency: bool = setting(True, "time the exported files on this machine, for MODEL_CARD.md")

    def __post_init__(self) -> None:
        check(self)
        unknown = [name for name in self.files if name not in FILES]
        if unknown or not self.files:
            named = unknown[0] if unknown else self.export_files
            raise UserError(f"--export_files={named}: no file of an export; choose of {', '.join(FILES)}")
        if self.static_size:
            try:
                parse_size(self.static_size)
            except ValueError as error:
                raise UserError(f"--static_size={self.static_size}: {error}") from None

    @property
    def files(self) -> list[str]:
        """The names in FILES that are wanted."""
        given = [name.strip() for name in self.export_files.split(",") if name.strip()]
        return given if self.export_files else list(USUAL_FILES)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the only images that files take; None for any."""
        return parse_size(self.static_size) if self.static_size else None


@dataclass(frozen=True)
class BenchmarkSettings:
    """The settings of a latency measurement."""

    networks: int = setting(20, "networks of the space to compare predictions with", bounds=(0, 100_000))
    rounds: int = setting(stopwatch.ROUNDS, "rounds; each network is timed once in each", bounds=(1, 100_000))
    blocks_to: str = setting("", "new folder for a space's networks and a script that times them on another device")
    seed: int = setting(0, "seed of all randomness", bounds=(0, MANY))

    def __post_init__(self) -> None:
        check(self)
