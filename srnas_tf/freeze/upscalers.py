"""Opens any model file as an upscaler, in its own runtime or in another one that runs it."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from srnas_tf import reading
from srnas_tf.errors import UserError, WorkError, first_line
from srnas_tf.freeze import opened, trial
from srnas_tf.freeze.opened import Loaded, NumberError
from srnas_tf.freeze.runtimes import BY_NAME, RUNTIMES, USUAL
from srnas_tf.freeze.runtimes.runtime import Form, Runtime
from srnas_tf.kit import tiles
from srnas_tf.nets import files
from srnas_tf.train.evaluate import Lanes, Upscaler, of_network

KERAS = ".keras"
"""The suffix of this package's own networks, which Keras runs."""


def runtime_of(path: Path, name: str = "") -> Runtime | None:
    """The runtime of a model file; None for a `.keras` file.

    Args:
        path: path of the file.
        name: name of the runtime. By default the usual one.

    Raises:
        UserError: if there is no such file, its kind is unknown, or the runtime does not run it or is not installed.
    """
    if not path.exists():
        raise UserError(f"--model={path}: no such model")
    suffix = path.suffix.lower()
    folders = {runtime.suffix for runtime in RUNTIMES if runtime.folder}
    kind = suffix if suffix in folders or not path.is_dir() else ""
    if kind not in (KERAS, *USUAL) or not (path.is_dir() if kind in folders else path.is_file()):
        suffixes = ", ".join((KERAS, *filter(None, USUAL)))
        raise UserError(f"--model={path}: expected a SavedModel folder, or a file of {suffixes}")
    able = ["tf"] if kind == KERAS else [each.name for each in RUNTIMES if each.suffix == kind]
    if name and name not in able:
        raise UserError(f"--runtime={name}: does not run {path}, which is for {', '.join(able)}; drop the flag")
    if kind == KERAS:
        return None
    runtime = BY_NAME[name or able[0]]
    check_installed(runtime)
    return runtime


def is_installed(runtime: Runtime, makes: bool = False) -> bool:
    """Whether a runtime is installed and, if files are to be made for it, the module that makes them."""
    wanted = [runtime.module, *(form.made_by for form in runtime.forms if makes and form.made_by)]
    return all(importlib.util.find_spec(module) is not None for module in wanted)


def check_makes(form: Form) -> None:
    """Refuses a file that cannot be made or checked, because something is not installed.

    Raises:
        UserError: says what installs it.
    """
    [runtime] = [each for each in RUNTIMES if form.file in {own.file for own in each.forms}]
    wanted = (runtime.module, form.made_by) if runtime.extra else ()
    for module in wanted:
        if importlib.util.find_spec(module) is None:
            raise UserError(f"--export_files={form.name}: needs {module}; pip install 'srnas_tf[{runtime.extra}]'")


def check_installed(runtime: Runtime) -> None:
    """Refuses a runtime that is not installed.

    Raises:
        UserError: says what installs it.
    """
    if not is_installed(runtime):
        raise UserError(f"--runtime={runtime.name}: is not installed; pip install 'srnas_tf[{runtime.extra}]'")


def examine(path: Path, stages: Sequence[Path] = (), name: str = "") -> None:
    """Refuses a model file that would do more than enlarge images, before a runtime reads it in this process.

    Args:
        path: path of the file.
        stages: the files of its stages.
        name: name of the runtime. By default the usual one.

    Raises:
        UserError: says what it would do, or what its runtime says.
        WorkError: if its output holds NaN or infinity.
    """
    runtime = runtime_of(path, name)
    if not runtime:
        return
    try:
        for each in (path, *stages):
            if not runtime.folder:
                reading.check_regular(each)
            runtime.check(each)
        trial.run(runtime, path, stages)
    except Exception as error:  # the parsers of these formats have errors of their own
        _refuse(path, error)


def load(path: Path, own: bool = False, runtime: str = "") -> tuple[Loaded, int]:
    """Opens a model file of any kind. Returns it with its scale.

    Args:
        path: path of the file, or of a SavedModel's folder.
        own: whether this process has just made it, so that it is not examined.
        runtime: its name. By default the usual one.

    Raises:
        UserError: if there is no such file, or its runtime cannot run it as an upscaler.
        WorkError: if its output holds NaN or infinity, now or later.
    """
    asked = runtime_of(path, runtime)
    if not own:
        examine(path, (), runtime)
    try:
        loaded = opened.load(asked, path) if asked else Loaded(of_network(files.load(path)))
        return Loaded(_with_checked_numbers(path, loaded.upscale), loaded.size), opened.scale_of(loaded)
    except Exception as error:  # Each runtime has errors of its own for a file that it cannot read or run.
        _refuse(path, error)


def _refuse(path: Path, error: Exception) -> NoReturn:
    if isinstance(error, UserError):
        raise error
    if isinstance(error, NumberError | WorkError):
        raise WorkError(f"--model={path}: {error}") from None
    raise UserError(f"--model={path}: cannot be loaded ({first_line(error)})") from None


def check_numbers(path: Path, sr: np.ndarray) -> None:
    """Refuses an output with NaN or infinity.

    Raises:
        WorkError: if there are any.
    """
    try:
        opened.check_numbers(sr)
    except NumberError as error:
        _refuse(path, error)


def _with_checked_numbers(path: Path, upscale: Upscaler) -> Upscaler:
    """The same upscaler. An output with NaN or infinity fails."""

    def check(sr: np.ndarray) -> np.ndarray:
        check_numbers(path, sr)
        return sr

    return upscale.then(check) if isinstance(upscale, Lanes) else lambda lr: check(upscale(lr))


def load_upscaler(path: Path, own: bool = False, runtime: str = "") -> tuple[Upscaler, int]:
    """Does the same as `load`, for images of any size.

    A file of one size enlarges others in tiles, rounded to levels. Arguments and errors are those of `load`.
    """
    (upscale, size), scale = load(path, own, runtime)
    if not size:
        return upscale, scale
    model = tiles.Model(upscale, scale, size=size)

    def in_windows(lr: np.ndarray) -> np.ndarray:
        if lr.shape[:2] == size:
            return upscale(lr)
        return tiles.enlarge(lr, model)[:] / np.float32(np.iinfo(lr.dtype).max)

    return in_windows, scale
