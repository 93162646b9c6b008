"""Checks the operators of exported files, read from the files themselves."""

from pathlib import Path

from srnas_tf.errors import WorkError
from srnas_tf.freeze.runtimes import USUAL


def check(path: Path) -> None:
    """Refuses a file that is not valid, or has operators that its runtime does not have built in.

    Raises:
        WorkError: says what is wrong.
    """
    runtime = USUAL[path.suffix]
    try:
        operators = runtime.operators(path)
    except ValueError as error:
        raise WorkError(f"{path}: {error}") from None
    foreign = sorted(name for name in operators if name.startswith("custom "))
    if foreign:
        raise WorkError(f"{path}: needs more than the built-in operators of {runtime.name}: {', '.join(foreign)}")
