"""Architecture search for single-image super-resolution on Keras 3 and TensorFlow."""

import time

__version__ = "0.1.0"

_STARTED = time.monotonic()


def seconds_since_start() -> float:
    """Seconds since this process began, whatever happens to the clock: what `seconds` in a journal is."""
    return time.monotonic() - _STARTED
