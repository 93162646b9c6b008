"""The interface of a runtime: makes its files here, and opens, runs and reads them, here and on devices."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

Size = tuple[int, int]
"""Height and width of the only images that a file takes."""

SIGNATURE = "serving_default"
"""The signature of a SavedModel from `lr` to `sr`."""

Arrays = dict[str, np.ndarray]
"""Arrays by name."""


def as_it_is(array: np.ndarray) -> np.ndarray:
    return array


class Opened(NamedTuple):
    """A model file in its runtime.

    Attributes:
        run: output of `prepare` -> enlarged image in the runtime's own layout and type.
        size: size of the only images that it takes; None for any size.
        prepare: float32 [1, height, width, 3] in 0..1 -> input of `run`.
        finish: output of `run` -> float32 [1, height, width, 3], 1.0 is white.
    """

    run: Callable[[np.ndarray], np.ndarray]
    size: Size | None = None
    prepare: Callable[[np.ndarray], np.ndarray] = as_it_is
    finish: Callable[[np.ndarray], np.ndarray] = as_it_is

    def enlarge(self, batch: np.ndarray) -> np.ndarray:
        """The enlarged image, float32 [1, height, width, 3], 1.0 is white."""
        return self.finish(self.run(self.prepare(batch)))


INVISIBLE = 0.25 / 255
"""A quarter of a level. If the PSNR is very high, such a difference changes it, but is no fault."""


class Job(NamedTuple):
    """A file to make from a SavedModel.

    Attributes:
        source: the SavedModel.
        target: path of the file.
        patches: representative images, float32 [n, height, width, 3] in 0..1. int8 files learn their ranges from them.
        choose: makes a file that is int8 inside. Its arguments are a function (model file in float32, names of
            convolutions) that writes `target`, and that model file. It calls the function with the most convolutions
            that leave the file near enough to it.
        levels: whether an int8 file has uint8 input and output.
        described: the file's metadata: `description`, and more by name.
    """

    source: Path
    target: Path
    patches: np.ndarray
    choose: Callable[[Callable[[Path, str], None], Path], None]
    levels: bool = False
    described: dict[str, str] = {}


class Form(NamedTuple):
    """A kind of exported file.

    Attributes:
        file: its path within the export folder.
        convert: makes the file. None for the SavedModel from which all others are made.
        tolerance: the largest allowed absolute difference from the network, 1.0 is white.
        psnr_tolerance: the largest allowed difference of the mean PSNR, dB.
        needs: required parts of a network: "stages"; "inner" convolutions, which can be int8; or "dense" convolutions,
            none of them depthwise.
        optional: whether a file that differs too much is left out. Any other such file fails the export.
        stands_for: if this file is one of the stages, the file that computes the same.
        beside: further files of it in the same folder.
        made_by: the module that `convert` needs, if it is an extra.
    """

    file: str
    convert: Callable[[Job], None] | None
    tolerance: float
    psnr_tolerance: float
    needs: str = ""
    optional: bool = False
    stands_for: str = ""
    beside: Sequence[str] = ()
    made_by: str = ""

    @property
    def is_int8(self) -> bool:
        """Whether it is int8 inside."""
        return self.needs in ("inner", "dense")

    @property
    def precision(self) -> str:
        """The precision in its file's name, such as int8; empty for float32."""
        return PurePath(self.file).stem.partition("_")[2] if not self.stands_for and self.convert else ""

    @property
    def name(self) -> str:
        """Its name in flags: the file or the folder at the top of the export."""
        return PurePath(self.file).parts[0]

    def accepts(self, difference: float, psnr_difference: float) -> bool:
        """Whether a file is close enough: by both tolerances, or by a difference that nobody can see."""
        near = difference <= self.tolerance and abs(psnr_difference) <= self.psnr_tolerance
        return near or difference <= min(self.tolerance, INVISIBLE)


class Staged(NamedTuple):
    """A runtime's way to run a network in stages.

    Attributes:
        files: (folder of the stages, number of stages) -> their files.
        open: (model file, folder of the stages) -> a function that opens the stage of a number. An opened stage maps
            arrays to arrays, by the names of `nets.stages`.
        load: loads one of `files`, as a check.
        planes: whether maps are [channels, height, width].
        kept: number of stages to keep open; None for all.
    """

    files: Callable[[Path, int], list[Path]]
    open: Callable[[Path, Path], Callable[[int], Callable[[Arrays], Arrays]]]
    load: Callable[[Path], object]
    planes: bool = False
    kept: int | None = None


class Runtime(NamedTuple):
    """A runtime, which runs model files of one kind.

    Attributes:
        name: its value of `--runtime`.
        module: the Python module that tells its version.
        file: its usual file, as a `Form` names it. All files with this suffix are the runtime's.
        open: (file, threads) -> the opened file. 0 threads mean one for each core, and memory shared with other files.
        operators: file -> its operators by name. Those that are not built in are `custom NAME`. Raises ValueError if
            the file is not valid.
        check: refuses a file that would do more than compute, by a ValueError.
        forms: the files that are made for it. Empty if it runs another runtime's files.
        staged: its way to run stages; None if it cannot.
        extra: the extra of this package that installs it; empty if it is always installed.
        devices: its devices besides the processor, in words.
        folder: whether its files are folders.
        runs: whether it runs on this system. If not, files are read, but not compared with the network.
    """

    name: str
    module: str
    file: str
    open: Callable[[Path, int], Opened]
    operators: Callable[[Path], set[str]]
    check: Callable[[Path], None]
    forms: Sequence[Form] = ()
    staged: Staged | None = None
    extra: str = ""
    devices: Callable[[], list[str]] = list
    folder: bool = False
    runs: Callable[[], bool] = lambda: True

    @property
    def suffix(self) -> str:
        """The suffix of its files; empty for a SavedModel, which is a folder."""
        return PurePath(self.file).suffix

    def running(self, form: Form) -> "Runtime":
        """The runtime with one of its files in the place of the usual one."""
        return self._replace(name=f"{self.name}-{form.precision}", file=form.file, forms=(form,))


def planes(batch: np.ndarray) -> np.ndarray:
    """[n, height, width, channels] as [n, channels, height, width]."""
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))


def pixels(batch: np.ndarray) -> np.ndarray:
    """[n, channels, height, width] as [n, height, width, channels]."""
    return batch.transpose(0, 2, 3, 1)


def size_of(sides: Sequence) -> Size | None:
    """A tensor's height and width, or None if one is unknown."""
    height, width = sides
    return (height, width) if all(isinstance(side, int) and side > 0 for side in (height, width)) else None
