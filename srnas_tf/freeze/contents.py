"""What frozen files consist of, read off the files themselves."""

from pathlib import Path

from srnas_tf.errors import WorkError
from srnas_tf.freeze.runtimes import USUAL


def check(path: Path) -> None:
    """Refuses a file that its runtime, as it comes, could not run: one that is not valid, or has operators that are not
    built in.

    Raises:
        WorkError: with what is wrong.
    """
    runtime = USUAL[path.suffix]
    try:
        operators = runtime.operators(path)
    except ValueError as error:
        raise WorkError(f"{path}: {error}") from None
    foreign = sorted(name for name in operators if name.startswith("custom "))
    if foreign:
        raise WorkError(f"{path}: needs more than the built-in operators of {runtime.name}: {', '.join(foreign)}")
