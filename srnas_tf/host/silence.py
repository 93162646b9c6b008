"""Silences native libraries: greetings, and messages that repeat an exception."""

import contextlib
import ctypes
import functools
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_aside() -> Iterator[None]:
    """Holds back stderr, also of native code. Prints it if an exception passes."""
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
    """Silences errors of Pillow's libtiff on stderr. Pillow raises them, and silences warnings alone.

    If Pillow's build hides the function's name, they stay.
    """
    from PIL import Image

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)  # a library's symbols are those of its own ones too
