"""The names of stages' files, and `stages.json` beside them. Needs no runtime."""

from pathlib import Path
from typing import Any

from srnas_tf import reading
from srnas_tf.errors import UserError
from srnas_tf.workdir.files import write_json

FOLDER = "stages"
"""The folder of stages in LiteRT and ONNX, with DESCRIPTION."""

DESCRIPTION = "stages.json"
"""The description of stages in files."""

ASSETS = "assets.extra"
"""The folder of DESCRIPTION in a SavedModel."""

STANDS_FOR = ("model.onnx", "model.tflite")
"""The files that compute the same as the stages. An int8 file does not."""

PREFIX = "stage"

MAX = 1000
"""Limits of the number of stages, and of the pixels around a tile."""

_FIELDS = {
    "scale": int,
    "reaches": list[int],
    "channels": list[int],
    "grid": int,
    "pools": bool,
    "stands_for": list[str],
}


def name(stage: int) -> str:
    """The name of a stage's signature and file: PREFIX and two digits."""
    return f"{PREFIX}{stage:02}"


def write(folder: Path, known: dict[str, Any]) -> None:
    """Writes DESCRIPTION: `scale`, `reaches`, `channels`, `grid`, `pools`, and `stands_for`."""
    write_json(folder / DESCRIPTION, {**known, "stands_for": list(STANDS_FOR)})


def read(path: Path) -> dict[str, Any]:
    """Reads DESCRIPTION.

    Raises:
        UserError: if the file holds something else.
    """
    try:
        known = reading.parse(reading.content(path))
        if isinstance(known, dict):
            known = {"grid": 1, "pools": True} | known  # which earlier files do not say
        reading.check_fields(known, _FIELDS)
        if not 0 < len(known["reaches"]) <= MAX or not all(0 <= n <= MAX for n in known["reaches"]):
            raise ValueError("its stages look further than any")
        if not 1 <= known["grid"] <= MAX:
            raise ValueError("its grid is not valid")
        return known
    except (OSError, ValueError):
        raise UserError(f"{path}: does not describe stages; export the model again, or remove the file") from None


def beside(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """The folder of a file's stages, and their description; None if there is none.

    The file may also be one of the stages. A SavedModel holds its stages itself. Raises as `read`.
    """
    if (within := path / ASSETS / DESCRIPTION).exists():
        return within.parent, read(within)
    folder = path.parent if path.parent.name == FOLDER else path.parent / FOLDER
    if not (folder / DESCRIPTION).exists():
        return None
    known = read(folder / DESCRIPTION)
    return (folder, known) if path.parent == folder or path.name in known["stands_for"] else None
