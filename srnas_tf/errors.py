"""The exceptions that the command line prints as one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from srnas_tf.kit.mistakes import UserError, WorkError, first_line, is_full, not_written

__all__ = ["UserError", "WorkError", "first_line", "is_full", "not_written", "writing"]


@contextlib.contextmanager
def writing(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Says which file could not be written, and what to do; a full disk, for one, does not say it.

    Args:
        path: what is written inside.
        more: what a library raises for it besides `OSError`.

    Raises:
        WorkError: where it could not be written.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *more)
    try:
        yield
    except kinds as error:
        raise WorkError(str(not_written(path, error))) from None
