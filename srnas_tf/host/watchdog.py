"""Ends a process whose Python does not handle a signal within seconds.

Python runs a signal's handler between two of its own instructions. A thread inside native code does not reach one. The
system's part of the handler writes the signal's number into a pipe at once. A thread of this module reads it.
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
"""A handler must have run within so many seconds."""


_TOGETHER, _PAUSE = 1.0, 0.05
"""Seconds."""


class Watchdog:
    """Ends the process if a signal is not answered.

    Args:
        signals: signals to watch.
        leave: ends the process at once with a status.
    """

    def __init__(self, signals: tuple[int, ...], leave: Callable[[int], None] = os._exit) -> None:
        self._signals, self._leave = signals, leave
        self._answered = -GRACE
        self._near, self._far = socket.socketpair()

    def answer(self) -> None:
        """Tells that a signal was handled. Its handler calls this."""
        self._answered = time.monotonic()

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Watches while the block runs in the main thread."""
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
        """Whether the handler ran in time, or the block ended. A second signal does not wait."""
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
    """Gives a process that a signal stopped some time to clean up, and then ends it.

    Args:
        status: the exit status. Below 128, no signal stopped it.
        seconds: time to wait.
    """
    if status > 128:
        timer = threading.Timer(seconds, os._exit, (status,))
        timer.daemon = True
        timer.start()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
