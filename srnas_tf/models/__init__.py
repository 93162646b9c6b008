"""Trained networks that come with the package: `x<scale>.keras` and others, each described by its `.md`.

`x4/` is a link to what the onnxruntime kit holds of the network `x4`, made by `make kits`. `x<scale>` is for images
that were reduced by bicubic and kept without loss, `x<scale>-photo` for those that were compressed.
"""

import os
import re
from pathlib import Path

from srnas_tf.errors import UserError

_FOLDER = Path(__file__).parent


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


def frozen(name: str) -> Path:
    """The same network as an ONNX file, with its stages beside it.

    Raises:
        UserError: as `named`.
    """
    return named(name).with_suffix("") / "model.onnx"


def path(scale: int) -> Path:
    """The file of the network that enlarges that many times.

    Raises:
        UserError: if the package has none.
    """
    if f"x{scale}" not in names():
        scales = sorted(name[1:] for name in names() if re.fullmatch(r"x\d+", name))
        raise UserError(f"--scale={scale}: the package has a network for {', '.join(scales)}; give --model=FILE")
    return named(f"x{scale}")


def all_onnx() -> dict[str, Path]:
    """By name, the ONNX files of all networks in the package, each with its card and its stages beside it."""
    return {name: frozen(name) for name in names() if frozen(name).is_file()}


def onnx(scale: int) -> Path:
    """The same network as an ONNX file.

    Raises:
        UserError: as `path`.
    """
    return frozen(path(scale).stem)


def is_packaged(file: Path) -> bool:
    """Whether a file lies in the package, where nothing is to be written."""
    return _FOLDER in Path(os.path.abspath(file)).parents or _FOLDER.resolve() in file.resolve().parents
