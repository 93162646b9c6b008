"""Architecture search for single-image super-resolution on Keras 3 and TensorFlow."""

import time

__version__ = "0.1.0"

STARTED = time.time()
"""When this process began, seconds since the epoch: what `seconds` in a journal counts from."""
