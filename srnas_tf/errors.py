"""The exceptions that the command line prints as one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from srnas_tf.kit.mistakes import UserError, WorkError, first_line, is_full, not_written

__all__ = ["UserError", "WorkError", "first_line", "is_full", "not_written", "writing"]


@contextlib.contextmanager
def writing(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Names the file that could not be written, and says what to do.

    Args:
        path: the file or folder that is written inside.
        more: exceptions of libraries for it, besides `OSError`.

    Raises:
        WorkError: if it could not be written.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *more)
    try:
        yield
    except kinds as error:
        raise WorkError(str(not_written(path, error))) from None
