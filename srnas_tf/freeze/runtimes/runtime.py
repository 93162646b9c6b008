"""What a runtime is: how its files are made here, and how they are opened, run and read, here and on devices."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

Size = tuple[int, int]
"""Height and width of the only images that a file takes."""

SIGNATURE = "serving_default"
"""What of a SavedModel takes an image, `lr`, and gives `sr`."""

Arrays = dict[str, np.ndarray]
"""Arrays by name."""


def as_it_is(array: np.ndarray) -> np.ndarray:
    return array


class Opened(NamedTuple):
    """A model file in its runtime.

    Attributes:
        run: what `prepare` gives, enlarged in the runtime's own layout and type.
        size: of the only images that it takes; None where it takes any.
        prepare: float32 [1, height, width, 3] in 0..1 -> what `run` takes.
        finish: what `run` gives -> float32 [1, height, width, 3], 1.0 = white.
    """

    run: Callable[[np.ndarray], np.ndarray]
    size: Size | None = None
    prepare: Callable[[np.ndarray], np.ndarray] = as_it_is
    finish: Callable[[np.ndarray], np.ndarray] = as_it_is

    def enlarge(self, batch: np.ndarray) -> np.ndarray:
        """float32 [1, height, width, 3] in 0..1, enlarged."""
        return self.finish(self.run(self.prepare(batch)))


INVISIBLE = 0.25 / 255
"""A quarter of a level: where the PSNR is very high, such a difference changes it and is no fault."""


class Job(NamedTuple):
    """A file to make of a SavedModel.

    Attributes:
        source: the SavedModel.
        target: the file.
        patches: representative images, float32 [n, height, width, 3] in 0..1; int8 files learn their ranges of them.
        choose: makes a file that is int8 inside: given a function (model file in float32, names of convolutions) that
            writes `target`, and that model file, calls it with the most convolutions that leave flat colours alone.
        levels: whether an int8 file takes and gives uint8.
        described: what files say of themselves, those that can: `description`, and more by name.
    """

    source: Path
    target: Path
    patches: np.ndarray
    choose: Callable[[Callable[[Path, str], None], Path], None]
    levels: bool = False
    described: dict[str, str] = {}


class Form(NamedTuple):
    """A file that a network is exported into.

    Attributes:
        file: its path within the export folder.
        convert: makes it; None for the SavedModel that all others are made of.
        tolerance: the largest absolute difference from the network allowed, 1.0 = white.
        psnr_tolerance: the largest difference of the mean PSNR allowed, dB.
        needs: what a network must have for it: "stages" that it can be run in, "inner" convolutions to be int8, or
            "dense" ones, none of them depthwise.
        optional: whether a file that is further off is left out; any other fails the export.
        stands_for: of stages, the file that they compute the same as.
        beside: further files that belong to it, in the same folder.
        made_by: the module that `convert` needs, where it does not come along.
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
    def name(self) -> str:
        """What it goes by in flags: the file or the folder at the top of the export."""
        return PurePath(self.file).parts[0]

    def accepts(self, difference: float, psnr_difference: float) -> bool:
        """Whether a file is near enough: by both measures, or so near that no PSNR, however high, counts against it."""
        near = difference <= self.tolerance and abs(psnr_difference) <= self.psnr_tolerance
        return near or difference <= min(self.tolerance, INVISIBLE)


class Staged(NamedTuple):
    """How a runtime runs a network in stages.

    Attributes:
        files: (folder of the stages, number of stages) -> the files that hold them.
        open: (model file, folder of the stages) -> a function of a stage's number that opens it: what maps arrays by
            name to arrays by name, as `nets.stages` calls them.
        load: loads one of `files`, to see whether that can be done.
        planes: whether maps are [channels, height, width].
        kept: how many opened stages to keep; None for all.
    """

    files: Callable[[Path, int], list[Path]]
    open: Callable[[Path, Path], Callable[[int], Callable[[Arrays], Arrays]]]
    load: Callable[[Path], object]
    planes: bool = False
    kept: int | None = None


class Runtime(NamedTuple):
    """What runs model files of one kind.

    Attributes:
        name: as `--runtime` says it.
        module: the Python module that knows its version.
        file: the usual file that it runs, as a `Form` names it; all files of its suffix are of this runtime.
        open: (file, threads) -> the file in the runtime. Threads: 0 for one a core, sharing memory with others here.
        operators: of a file of its own, by name; those that are not built in as `custom NAME`. Raises ValueError where
            the file is not valid.
        check: refuses a file of anybody's that would do more than compute, by a ValueError.
        forms: the files that are made for it. A runtime that runs another one's files has none of its own.
        staged: how it runs stages; None where it does not.
        extra: the extra of this package that installs it; empty where it comes along.
        devices: what it computes on besides the processor, in words.
        folder: whether its files are folders.
        runs: whether it runs on this system; a file of one that does not is read, and not compared with the network.
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
        """Of its files; empty for a SavedModel, which is a folder."""
        return PurePath(self.file).suffix


def planes(batch: np.ndarray) -> np.ndarray:
    """[n, height, width, channels] as [n, channels, height, width]."""
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))


def pixels(batch: np.ndarray) -> np.ndarray:
    """[n, channels, height, width] as [n, height, width, channels]."""
    return batch.transpose(0, 2, 3, 1)


def size_of(sides: Sequence) -> Size | None:
    """A tensor's height and width, where both are given."""
    height, width = sides
    return (height, width) if all(isinstance(side, int) and side > 0 for side in (height, width)) else None
