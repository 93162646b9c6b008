"""Ctrl-C and SIGTERM: what is under way is brought to its end first, where that takes no more than a step."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from srnas_tf.host.watchdog import Watchdog

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end.

    Attributes:
        signal: which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number

    @property
    def status(self) -> int:
        """The exit status that a shell gives such a process."""
        return 128 + self.signal


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """A signal ends what is inside with `Interrupted`; a second one ends the process, whatever it is doing.

    So does the first, after a few seconds, where Python is inside of a runtime and does not come to see it.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        watchdog.answer()
        for each in SIGNALS:
            if signal.getsignal(each) is leave:
                signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watchdog = Watchdog(tuple(SIGNALS))
    with watchdog.awake(), _answering(watchdog), _handled_by(leave):
        yield


_awake: list[Watchdog] = []
"""Those that are to be told that a signal was seen."""


@contextlib.contextmanager
def _answering(watchdog: Watchdog) -> Iterator[None]:
    _awake.append(watchdog)
    try:
        yield
    finally:
        _awake.remove(watchdog)


@contextlib.contextmanager
def after_the_step() -> Iterator[Callable[[], bool]]:
    """What is inside goes on after a first signal until it ends of itself; then `Interrupted` is raised.

    A second signal does at once what the first would have done without this.

    Yields:
        A function that says whether there was a signal: for loops, to leave at a step after which nothing is lost.

    Raises:
        Interrupted: at the end, where there was a signal.
    """
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        for watchdog in _awake:
            watchdog.answer()
        restore()
        if sys.stderr.isatty():  # past Python's buffers, in which this may have come to pass
            os.write(2, b"\nfinishing the step; once more leaves at once\n")

    with _handled_by(note) as restore:
        yield lambda: bool(caught)
    if caught:
        raise Interrupted(caught[0])


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Handlers that a library sets inside, for its own ends, do not stay."""
    with _handled_by(None):
        yield


@contextlib.contextmanager
def _handled_by(handler: Handler | None) -> Iterator[Callable[[], None]]:
    """Sets the handler of the signals that are not ignored; yields what puts the former ones back, as its end does.

    None leaves them as they are.
    """
    if threading.current_thread() is not threading.main_thread():  # where signals do not arrive
        yield lambda: None
        return
    former = {number: signal.getsignal(number) for number in SIGNALS}
    # A shell has background jobs ignore Ctrl-C; None is a handler that Python cannot put back.
    former = {number: old for number, old in former.items() if old not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, old in former.items():
            signal.signal(number, old)

    for number in former if handler else ():
        signal.signal(number, handler)
    try:
        yield restore
    finally:
        restore()
