"""The exceptions that the command line prints as one line."""


class UserError(ValueError):
    """Bad input: a flag, a path, or data. Exit status 2.

    The message names the file or flag and says what to do about it.
    """


def first_line(error: BaseException) -> str:
    """What a library's exception says, in one line; its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


class WorkError(RuntimeError):
    """The work itself failed: training diverged, an exported file disagrees with its network. Exit status 1."""
