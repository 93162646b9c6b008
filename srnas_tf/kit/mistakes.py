"""Exceptions as lines."""

import re

_DECORATION = re.compile(r"^\{\{.*?\}\} *| *\[Op:\w+\]( name: .*)?$")
"""Which of its operations failed, as TensorFlow puts it around what happened."""


class UserError(ValueError):
    """Bad input: a flag, a path, or data. Exit status 2.

    The message names the file or flag and says what to do about it.
    """


def first_line(error: BaseException) -> str:
    """What a library's exception says, in one line; its kind where it says nothing."""
    line = next(iter(str(error).splitlines()), "")
    return _DECORATION.sub("", line) or type(error).__name__
