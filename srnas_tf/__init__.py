"""Architecture search for single-image super-resolution on Keras 3 and TensorFlow."""

import importlib
import time
from typing import Any

__version__ = "0.1.0"

_STARTED = time.monotonic()
_LATER = ("load", "upscale")
"""Functions of `srnas_tf.inference`, which is imported once one of them is asked for."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module("srnas_tf.inference"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LATER]


def seconds_since_start() -> float:
    """Seconds since this process began, independent of the clock. Journals record them as `seconds`."""
    return time.monotonic() - _STARTED
