"""Stages as files: what they are called, and `stages.json` beside them. Needs no runtime."""

from pathlib import Path
from typing import Any

from srnas_tf import reading
from srnas_tf.errors import UserError
from srnas_tf.workdir.files import write_json

FOLDER = "stages"
"""Beside the exported files: the stages in LiteRT and ONNX, and DESCRIPTION."""

DESCRIPTION = "stages.json"
"""What `tiles` must know of stages in files."""

ASSETS = "assets.extra"
"""In a SavedModel, where DESCRIPTION is if it has stages."""

STANDS_FOR = ("model.onnx", "model.tflite")
"""The files that the stages in that folder compute the same as; an int8 file's result is its own."""

PREFIX = "stage"

MOST = 1000
"""Stages, and pixels that one looks at around its own."""

_FIELDS = {
    "scale": int,
    "reaches": list[int],
    "channels": list[int],
    "grid": int,
    "pools": bool,
    "stands_for": list[str],
}


def name(stage: int) -> str:
    """Of a stage's signature and file: PREFIX and two digits."""
    return f"{PREFIX}{stage:02}"


def write(folder: Path, known: dict[str, Any]) -> None:
    """Writes DESCRIPTION: `scale`, `reaches`, `channels`, `grid`, `pools`, and what the stages stand for."""
    write_json(folder / DESCRIPTION, {**known, "stands_for": list(STANDS_FOR)})


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote.

    Raises:
        UserError: where the file holds something else.
    """
    try:
        known = reading.parse(reading.content(path))
        if isinstance(known, dict):
            known = {"grid": 1, "pools": True} | known  # which earlier files do not say
        reading.check_fields(known, _FIELDS)
        if not 0 < len(known["reaches"]) <= MOST or not all(0 <= n <= MOST for n in known["reaches"]):
            raise ValueError("its stages look further than any")
        if not 1 <= known["grid"] <= MOST:
            raise ValueError("its grid is none")
        return known
    except (OSError, ValueError):
        raise UserError(f"{path}: does not describe stages; export the model again, or remove the file") from None


def beside(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """The folder of stages that a file belongs to, and what is known of them; None where there is none.

    A file in that folder belongs to it, too. A SavedModel holds its stages itself. Raises as `read`.
    """
    if (within := path / ASSETS / DESCRIPTION).exists():
        return within.parent, read(within)
    folder = path.parent if path.parent.name == FOLDER else path.parent / FOLDER
    if not (folder / DESCRIPTION).exists():
        return None
    known = read(folder / DESCRIPTION)
    return (folder, known) if path.parent == folder or path.name in known["stands_for"] else None
