"""Native libraries without their greetings, and without what an exception says too."""

import contextlib
import ctypes
import functools
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_aside() -> Iterator[None]:
    """Sets aside what is written to stderr, by native code too; shows it after all where an exception passes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@functools.cache
def libtiff() -> None:
    """Keeps Pillow's libtiff from writing its errors to stderr: Pillow raises them, but silences the warnings alone.

    Where Pillow was built so that the function cannot be found by its name, they stay.
    """
    from PIL import Image

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)  # a library's symbols are those of its own ones too
