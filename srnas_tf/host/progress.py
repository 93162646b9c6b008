"""A progress line with an estimate of the time left. Without a terminal, plain lines."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_INTERVAL = 15.0
"""Seconds between two plain lines."""


@contextlib.contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[float, str], None]]:
    """Shows work in progress on stderr.

    Args:
        title: name of the work.
        total: amount of work.
        done: work that an earlier process did.

    Yields:
        A function to call with (work done so far, in fractions of one too, a short note).
    """
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}", markup=False),  # names of files, which may look like markup
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total, completed=done, note="")

            def show(now: float, note: str = "") -> None:
                bar.update(task, completed=now, note=note)

            yield show
        return

    printed = time.monotonic()
    first: tuple[float, float] | None = None  # time and work; what comes before, such as tracing, does not come again

    def report(now: float, note: str = "") -> None:
        nonlocal printed, first
        clock = time.monotonic()
        first = first or (clock, now)
        seconds, work = clock - first[0], now - first[1]
        if clock - printed < PLAIN_INTERVAL or not work:
            return
        printed = clock
        left = seconds / work * (total - now)
        print(
            f"{title}: {now:.4g}/{total}, {left:.0f} s left{', ' + note if note else ''}", file=sys.stderr, flush=True
        )

    yield report
