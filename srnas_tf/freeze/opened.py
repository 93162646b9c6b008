"""Opens a model file in a runtime, as an upscaler. Needs no other runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srnas_tf.freeze.runtimes.runtime import Runtime, Size
from srnas_tf.host.silence import stderr_aside
from srnas_tf.metrics import as_batch

TRIED = ((16, 16), (24, 16))
"""Sizes of images for the trial of a file."""


class Loaded(NamedTuple):
    """A model file in its runtime.

    Attributes:
        upscale: an `Upscaler` (`train.evaluate`) for images of `size`.
        size: height and width of the only images that it takes; None for any size.
    """

    upscale: Callable[[np.ndarray], np.ndarray]
    size: Size | None = None


class NumberError(ValueError):
    """A model's output holds NaN or infinity."""


def load(runtime: Runtime, path: Path) -> Loaded:
    """Opens a file with one thread for each core. Raises the runtime's own errors."""
    with stderr_aside():  # delegates announce themselves
        opened = runtime.open(path, 0)
    return Loaded(lambda lr: opened.enlarge(as_batch(lr))[0], opened.size)


def scale_of(loaded: Loaded) -> int:
    """A model's scale, from its output for small images or for one of its size.

    Raises:
        NumberError: if the output holds NaN or infinity.
        ValueError: if it does not enlarge height and width by the same whole number.
        Exception: the runtime's own errors.
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
    """Refuses values that are not finite: they would become black or white pixels.

    Raises:
        NumberError: if a value is NaN or infinite.
    """
    if not np.isfinite(sr).all():
        raise NumberError("it gives numbers that are none (NaN or infinity); its weights are spoiled")
