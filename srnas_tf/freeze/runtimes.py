"""Any model file as an upscaler, in the runtime that it is made for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from srnas_tf import reading
from srnas_tf.errors import UserError, WorkError, first_line
from srnas_tf.freeze import loaders, trial, untrusted
from srnas_tf.freeze.loaders import Loaded, NumberError
from srnas_tf.kit import tiles
from srnas_tf.nets import files
from srnas_tf.train.evaluate import Lanes, Upscaler, of_network


def _keras(path: Path) -> Loaded:
    return Loaded(of_network(files.load(path)))


RUNTIMES: dict[str, Callable[[Path], Loaded]] = {".keras": _keras, **loaders.LOADERS}
"""By suffix; a SavedModel is a folder and has none."""

CHECKS: dict[str, Callable[[Path], None]] = {
    "": untrusted.check_saved_model,
    ".tflite": lambda path: None,
    ".onnx": untrusted.check_onnx,
}
"""What a file of each kind, as a program, may be; by suffix. A `.keras` file is none."""


def kind_of(path: Path) -> str:
    """Of a model file: its suffix, one of RUNTIMES.

    Raises:
        UserError: where there is no such file, or it is none of them.
    """
    if not path.exists():
        raise UserError(f"--model={path}: no such model")
    kind = "" if path.is_dir() else path.suffix.lower()
    if kind not in RUNTIMES or not (path.is_dir() if kind == "" else path.is_file()):
        raise UserError(f"--model={path}: expected a .keras, .tflite or .onnx file, or a SavedModel folder")
    return kind


def examine(path: Path, stages: Sequence[Path] = ()) -> None:
    """Refuses a model file of anybody's that would do more than enlarge images, before a runtime here reads it.

    Args:
        path: of the file.
        stages: files that stand for it in parts.

    Raises:
        UserError: saying what it would do, or what its runtime says of it.
        WorkError: where it gives numbers that are none.
    """
    kind = kind_of(path)
    if kind not in CHECKS:
        return
    try:
        for each in (path, *stages):
            if kind:
                reading.check_regular(each)
            CHECKS[kind](each)
        trial.run(path, stages)
    except Exception as error:  # the parsers of these formats have errors of their own
        _refuse(path, error)


def load(path: Path, own: bool = False) -> tuple[Loaded, int]:
    """A `.keras`, `.tflite` or `.onnx` file or a SavedModel folder, and how much it enlarges.

    Args:
        path: of the file.
        own: whether this process just made it, so that it need not be examined.

    Raises:
        UserError: where there is no such file, or it is no upscaler that its runtime can run.
        WorkError: where it gives numbers that are none, now or later.
    """
    kind = kind_of(path)
    if not own:
        examine(path)
    try:
        loaded = RUNTIMES[kind](path)
        return Loaded(_with_checked_numbers(path, loaded.upscale), loaded.size), loaders.scale_of(loaded)
    except Exception as error:  # Each runtime has errors of its own for a file that it cannot read or run.
        _refuse(path, error)


def _refuse(path: Path, error: Exception) -> NoReturn:
    if isinstance(error, UserError):
        raise error
    if isinstance(error, NumberError | WorkError):
        raise WorkError(f"--model={path}: {error}") from None
    raise UserError(f"--model={path}: cannot be loaded ({first_line(error)})") from None


def check_numbers(path: Path, sr: np.ndarray) -> None:
    """Refuses what a model made of an image, where it is no number.

    Raises:
        WorkError: then.
    """
    try:
        loaders.check_numbers(sr)
    except NumberError as error:
        _refuse(path, error)


def _with_checked_numbers(path: Path, upscale: Upscaler) -> Upscaler:
    """The same, where what is no number fails."""

    def check(sr: np.ndarray) -> np.ndarray:
        check_numbers(path, sr)
        return sr

    return upscale.then(check) if isinstance(upscale, Lanes) else lambda lr: check(upscale(lr))


def load_upscaler(path: Path, own: bool = False) -> tuple[Upscaler, int]:
    """The same for images of any size: a file that takes one size alone enlarges others in parts, rounded to levels.

    Args and errors as of `load`.
    """
    (upscale, size), scale = load(path, own)
    if not size:
        return upscale, scale
    model = tiles.Model(upscale, scale, size=size)

    def in_windows(lr: np.ndarray) -> np.ndarray:
        if lr.shape[:2] == size:
            return upscale(lr)
        return tiles.enlarge(lr, model)[:] / np.float32(np.iinfo(lr.dtype).max)

    return in_windows, scale
