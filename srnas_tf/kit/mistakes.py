"""Turns exceptions into lines."""

import errno
import re
from pathlib import Path

_DECORATION = re.compile(r"^\{\{.*?\}\} *| *\[Op:\w+\]( name: .*)?$")
"""TensorFlow's name of the failed operation, around the message."""


class UserError(ValueError):
    """Bad input: a flag, a path, or data. Exit status 2.

    The message names the file or flag, and says what to do.
    """


class WorkError(RuntimeError):
    """The work itself failed: training diverged, an exported file disagrees with its network. Exit status 1."""


def first_line(error: BaseException) -> str:
    """A library's exception in one line; its kind if it has no message."""
    line = next(iter(str(error).splitlines()), "")
    return _DECORATION.sub("", line) or type(error).__name__


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_SAYS = re.compile(r"no space left|quota exceeded|file too large", re.IGNORECASE)
"""Messages of libraries for a full disk that lose its number, such as libvips' "write failed"."""
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_GONE = (errno.ENOENT, errno.ENOTDIR)


def is_full(error: BaseException) -> bool:
    """Whether an exception means a full disk or quota."""
    return getattr(error, "errno", None) in _FULL or bool(_FULL_SAYS.search(str(error)))


def not_written(path: Path, error: BaseException) -> UserError | WorkError:
    """The error for a file that could not be written. A full disk is no mistake of the user."""
    reason, number = getattr(error, "strerror", None) or first_line(error), getattr(error, "errno", None)
    what = f"{path}: cannot be written ({reason})"
    if is_full(error):
        return WorkError(f"{what}; nothing earlier is lost: make room for it, then give the same command again")
    if number in _DENIED:
        return UserError(f"{what}; see to it that this user may write there")
    if number in _GONE or not path.parent.is_dir():
        return UserError(f"{what}; {path.parent} is not there, or no longer")
    return UserError(what)
