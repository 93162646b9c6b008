"""Ctrl-C and SIGTERM: the work ends after the current step, if it has steps."""

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
        signal: its number.
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
    """A first signal ends the block with `Interrupted`. A second one ends the process.

    The first signal also ends the process if Python is inside native code, and does not handle it within a few seconds.
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
"""Watchdogs to tell that a signal was handled."""


@contextlib.contextmanager
def _answering(watchdog: Watchdog) -> Iterator[None]:
    _awake.append(watchdog)
    try:
        yield
    finally:
        _awake.remove(watchdog)


@contextlib.contextmanager
def after_the_step() -> Iterator[Callable[[], bool]]:
    """After a first signal, the block continues to its end. Then `Interrupted` is raised.

    A second signal acts at once, as a first one would outside.

    Yields:
        A function that tells whether there was a signal. Loops ask it after each step that loses nothing.

    Raises:
        Interrupted: at the end, if there was a signal.
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
    """Restores signal handlers that a library replaces in the block."""
    with _handled_by(None):
        yield


@contextlib.contextmanager
def _handled_by(handler: Handler | None) -> Iterator[Callable[[], None]]:
    """Sets the handler of the signals that are not ignored. Yields a function that restores the former handlers, as the
    end of the block does.

    None leaves them as they are.
    """
    if threading.current_thread() is not threading.main_thread():  # only that thread gets signals
        yield lambda: None
        return
    former = {number: signal.getsignal(number) for number in SIGNALS}
    # Background jobs of a shell ignore Ctrl-C. None is a handler that Python cannot restore.
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
