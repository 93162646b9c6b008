"""Trained networks that come with the package: `x<scale>.keras`, each described by `x<scale>.md`.

`x<scale>/` is a link to what the onnxruntime kit holds of the network, made by `make kits`.
"""

import os
from pathlib import Path

from srnas_tf.errors import UserError

_FOLDER = Path(__file__).parent


def path(scale: int) -> Path:
    """The file of the network that enlarges that many times.

    Raises:
        UserError: where the package has none.
    """
    found = _FOLDER / f"x{scale}.keras"
    if not found.is_file():
        scales = sorted(file.stem[1:] for file in _FOLDER.glob("x*.keras"))
        raise UserError(f"--scale={scale}: the package has a network for {', '.join(scales)}; give --model=FILE")
    return found


def names() -> list[str]:
    """The names of all networks in the package: `x4` and others."""
    return sorted(file.stem for file in _FOLDER.glob("*.keras"))


def named(name: str) -> Path:
    """The file of a network by its name.

    Raises:
        UserError: if the package has none of that name.
    """
    if name not in names():
        raise UserError(f"{name}: neither a file nor a network of the package; those are {', '.join(names())}")
    return _FOLDER / f"{name}.keras"


def is_packaged(file: Path) -> bool:
    """Whether a file lies in the package, where nothing is to be written."""
    return _FOLDER in Path(os.path.abspath(file)).parents or _FOLDER.resolve() in file.resolve().parents


def all_onnx() -> dict[str, Path]:
    """By name, the ONNX files of all networks in the package, each with its card and its stages beside it."""
    found = {name: _FOLDER / name / "model.onnx" for name in names()}
    return {name: path for name, path in found.items() if path.is_file()}


def onnx(scale: int) -> Path:
    """The same network as an ONNX file, with its stages beside it.

    Raises:
        UserError: as `path`.
    """
    return path(scale).with_suffix("") / "model.onnx"
