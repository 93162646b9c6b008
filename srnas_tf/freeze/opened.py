"""A model file opened in a runtime, as what enlarges images; needs no runtime but that one."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srnas_tf.freeze.runtimes.runtime import Runtime, Size
from srnas_tf.host.silence import stderr_aside
from srnas_tf.metrics import as_batch

TRIED = ((16, 16), (24, 16))
"""Sizes of the images that a file is tried on."""


class Loaded(NamedTuple):
    """A model file in its runtime.

    Attributes:
        upscale: an `Upscaler` (`train.evaluate`), of images of `size` where there is one.
        size: height and width of the only images that it takes; None where it takes any.
    """

    upscale: Callable[[np.ndarray], np.ndarray]
    size: Size | None = None


class NumberError(ValueError):
    """A model gives what is no number: NaN, or infinity."""


def load(runtime: Runtime, path: Path) -> Loaded:
    """Opens a file with a thread a core. Raises whatever the runtime raises."""
    with stderr_aside():  # delegates announce themselves
        opened = runtime.open(path, 0)
    return Loaded(lambda lr: opened.enlarge(as_batch(lr))[0], opened.size)


def scale_of(loaded: Loaded) -> int:
    """How much a model enlarges, by what it makes of small images, or of one of its size.

    Raises:
        NumberError: where it gives what is no number.
        ValueError: where it does not enlarge alike, up and across, by a whole number.
        Exception: whatever its runtime raises.
    """
    scales = set()
    for height, width in [loaded.size] if loaded.size else TRIED:
        levels = np.arange(height * width * 3, dtype=np.uint32) * 41 % 256
        lr = levels.astype(np.uint8).reshape(height, width, 3)
        sr = loaded.upscale(lr)
        if sr.ndim != 3 or sr.shape[2] != 3 or not sr.shape[0] or sr.shape[0] % height or sr.shape[1] % width:
            raise ValueError(f"it makes {list(sr.shape)} of an image of {[height, width, 3]}, which enlarges nothing")
        scales |= {sr.shape[0] // height, sr.shape[1] // width}
        check_numbers(sr)
    if len(scales) > 1:
        raise ValueError(f"it enlarges {min(scales)} times and {max(scales)} times, not alike")
    return scales.pop()


def check_numbers(sr: np.ndarray) -> None:
    """Refuses what would become black, or white, of whatever was to be seen.

    Raises:
        NumberError: where a value is NaN or infinite.
    """
    if not np.isfinite(sr).all():
        raise NumberError("it gives numbers that are none (NaN or infinity); its weights are spoiled")
