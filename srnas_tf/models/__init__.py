"""Pretrained networks that come with the package: `x<scale>.keras` and others. Each has a model card, its `.md`.

`x<scale>` is for images that were reduced by bicubic and stored without loss, `x<scale>-photo` for compressed ones. The
folder `x4/` is a link to the files of the network `x4` in the onnxruntime kit, which `make kits` writes.
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
    """The `.keras` file of a network, by its name.

    Raises:
        UserError: if the package has no network of that name.
    """
    if name not in names():
        raise UserError(f"{name}: neither a file nor a network of the package; those are {', '.join(names())}")
    return _FOLDER / f"{name}.keras"


def frozen(name: str) -> Path:
    """The ONNX file of a network, by its name. Its stages lie in the same folder.

    Raises:
        UserError: if the package has no network of that name.
    """
    return named(name).with_suffix("") / "model.onnx"


def path(scale: int) -> Path:
    """The `.keras` file of the network `x<scale>`.

    Raises:
        UserError: if the package has no network of that scale.
    """
    if f"x{scale}" not in names():
        scales = sorted(name[1:] for name in names() if re.fullmatch(r"x\d+", name))
        raise UserError(f"--scale={scale}: the package has a network for {', '.join(scales)}; give --model=FILE")
    return named(f"x{scale}")


def all_onnx() -> dict[str, Path]:
    """The ONNX files of all networks in the package, by name. Model card and stages lie in the same folder."""
    return {name: frozen(name) for name in names() if frozen(name).is_file()}


def onnx(scale: int) -> Path:
    """The ONNX file of the network `x<scale>`.

    Raises:
        UserError: if the package has no network of that scale.
    """
    return frozen(path(scale).stem)


def is_packaged(file: Path) -> bool:
    """Returns True if a file lies in the package. Nothing may be written there."""
    return _FOLDER in Path(os.path.abspath(file)).parents or _FOLDER.resolve() in file.resolve().parents
