"""Signals while Python is not there to see them: what does not end of itself within seconds is ended.

Python runs a signal's handler between two of its own instructions. A thread that is inside a runtime's code comes to
none. The system's part of the handler writes the signal's number into a pipe at once; a thread of this module reads it.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

GRACE = 5.0
"""Seconds in which a handler must have run."""


_TOGETHER, _PAUSE = 1.0, 0.05
"""Seconds."""


class Watchdog:
    """Ends the process by a signal that nobody answers.

    Args:
        signals: that it knows.
        leave: ends the process with a status; nothing runs after it.
    """

    def __init__(self, signals: tuple[int, ...], leave: Callable[[int], None] = os._exit) -> None:
        self._signals, self._leave = signals, leave
        self._answered = -GRACE
        self._near, self._far = socket.socketpair()

    def answer(self) -> None:
        """To be called by the handler of a signal: it has been seen."""
        self._answered = time.monotonic()

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Watches while what is inside runs, in the main thread."""
        self._near.setblocking(False)
        former = signal.set_wakeup_fd(self._near.fileno(), warn_on_full_buffer=False)
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(former)
            self._near.close()
            thread.join()
            self._far.close()

    def _watch(self) -> None:
        while numbers := self._far.recv(16):
            for number in numbers:
                if number in self._signals and not self._seen():
                    self._end(number)

    def _seen(self) -> bool:
        """Whether the handler ran in time, or what is watched came to its end; a second signal does not wait."""
        began = time.monotonic()
        while time.monotonic() < began + GRACE:
            # The handler may have run before this thread; of two signals at once it runs for one.
            if self._answered > began - _TOGETHER or self._near.fileno() < 0:
                return True
            if self._another():
                return False
            time.sleep(_PAUSE)
        return False

    def _another(self) -> bool:
        self._far.setblocking(False)
        try:
            return any(number in self._signals for number in self._far.recv(16))
        except BlockingIOError:
            return False
        finally:
            self._far.setblocking(True)

    def _end(self, number: int) -> None:
        with contextlib.suppress(OSError):
            name = signal.Signals(number).name
            os.write(2, f"srnas_tf: stopped by {name}, in the midst of a computation\n".encode())
        self._leave(128 + number)


def see_off(status: int, seconds: float = 2 * GRACE) -> None:
    """Leaves a process that was stopped by a signal the time to put things in order, and then ends it.

    Args:
        status: that it is to end with; below 128 it was not stopped by a signal.
        seconds: to wait.
    """
    if status > 128:
        timer = threading.Timer(seconds, os._exit, (status,))
        timer.daemon = True
        timer.start()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
