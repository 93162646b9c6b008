"""The exceptions that the command line prints as one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from srnas_tf.kit.mistakes import UserError, first_line

__all__ = ["UserError", "WorkError", "first_line", "writing"]


class WorkError(RuntimeError):
    """The work itself failed: training diverged, an exported file disagrees with its network. Exit status 1."""


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
        reason = getattr(error, "strerror", None) or first_line(error)
        raise WorkError(
            f"{path}: cannot be written ({reason}); nothing earlier is lost: make room for it, then give the same "
            "command again"
        ) from None
