"""A time limit for native code that holds the interpreter, so that no thread and no handler of Python can run."""

import contextlib
import faulthandler
import os
import subprocess
import sys
from collections.abc import Iterator

_SAYS = """
import os, sys, threading
waiting = threading.Thread(target=sys.stdin.read, daemon=True)
waiting.start()
waiting.join(float(sys.argv[1]))
if waiting.is_alive():
    os.write(2, sys.argv[2].encode())
os._exit(0)
"""
_APART = 2.0
"""Seconds from the line to the end."""


@contextlib.contextmanager
def deadline(seconds: float, message: str) -> Iterator[None]:
    """Ends this process, with status 1 and a line on stderr, if the block takes longer.

    Another process prints the line, and faulthandler's alarm ends this one. Neither waits for the interpreter.

    Args:
        seconds: the limit.
        message: the line.
    """
    line = f"srnas_tf: {' '.join(message.split())}\n"
    command = [sys.executable, "-S", "-c", _SAYS, str(seconds), line]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as beside,
        open(os.devnull, "w") as nowhere,  # noqa: PTH123
    ):
        faulthandler.dump_traceback_later(seconds + _APART, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            assert beside.stdin
            beside.stdin.close()
