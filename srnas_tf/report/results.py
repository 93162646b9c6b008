"""Results of measured networks: `--record` writes each as a JSON file, and the thesis' tables show them."""

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from srnas_tf import reading
from srnas_tf.errors import UserError
from srnas_tf.workdir.files import write_json

DEFAULT_FOLDER = Path(__file__).parents[2] / "results"
"""The folder beside the package, which exists if the package runs from a checkout."""

_FIGURES = {"psnr": int | float | None, "ssim": int | float, "images": int}


@dataclass(frozen=True)
class Result:
    """The measurement of a network on test sets.

    Attributes:
        arch: the architecture, as text.
        params: number of parameters.
        date: day of the measurement, such as 2026-11-23.
        data: training dataset: `photos`, or the last two names of each folder; None if unknown.
        steps: training steps; None if unknown.
        seed: seed of the training; None if unknown.
        note: how the weights were made.
        machine: the machine that measured.
        sets: for each test set {"psnr": dB, or None for equal images, "ssim": 0..1, "images": number of images}.

    Raises:
        TypeError: if a value has another type.
    """

    arch: str
    params: int
    date: str
    data: str | None
    steps: int | None
    seed: int | None
    note: str
    machine: str
    sets: dict

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Result).items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} is {getattr(self, name)!r}")
        for name, figures in self.sets.items():
            if not isinstance(figures, dict) or figures.keys() != _FIGURES.keys():
                raise TypeError(f"{name} has not just {', '.join(_FIGURES)}")
            if not all(isinstance(figures[key], kind) for key, kind in _FIGURES.items()):
                raise TypeError(f"{name} is {figures}")


def result_of(arch: str, params: int, provenance: Mapping[str, Any], machine: str, sets: dict) -> Result:
    """Makes a result with today's date.

    Args:
        arch: the architecture, as text.
        params: number of parameters.
        provenance: what the model file records of its training.
        machine: the machine that measured.
        sets: figures by test set, as in `Result`.
    """
    known = {"data": str, "steps": int, "seed": int}
    data, steps, seed = (
        provenance.get(k) if isinstance(provenance.get(k), kind) else None for k, kind in known.items()
    )
    today = datetime.date.today().isoformat()
    return Result(arch, params, today, data and _short(data), steps, seed, _note(provenance), machine, sets)


def _short(data: str) -> str:
    """Shortens each folder to its last two names, since its place on a machine does not matter."""
    paths = [Path(spec) for spec in data.split(",")]
    return ",".join("/".join(path.relative_to(path.anchor).parts[-2:]) for path in paths)


def _note(provenance: Mapping[str, Any]) -> str:
    if "imported" in provenance:
        return f"weights imported from {provenance['imported']}"
    if provenance.keys() >= {"batch", "patch", "schedule", "learning_rate"}:
        return "{batch} patches of {patch} x {patch} a step, {schedule} from {learning_rate}".format(**provenance)
    return ""


def write(path: Path, result: Result) -> None:
    write_json(path, dataclasses.asdict(result))


def read(path: Path) -> Result:
    """Reads a file that `write` has written.

    Raises:
        UserError: if it is missing or has another format.
    """
    try:
        return reading.settings_of(Result, reading.parse(reading.content(path)))
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a result of --mode=evaluate --record ({reason})") from None


def read_folder(path: Path) -> list[Result]:
    """Reads all `.json` files of a folder, in the order of their names.

    Raises:
        UserError: if one of them is not a result.
    """
    return [read(file) for file in sorted(path.glob("*.json"))]
