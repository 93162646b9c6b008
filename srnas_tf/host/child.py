"""Processes that this one starts: they end with it, however it ends, and take no more memory than they are given.

python -m srnas_tf.host.child PARENT MEMORY TARGET [ARGUMENT ...]

runs a module or a script, TARGET, in a process of this kind: PARENT is the number of the process that started it,
MEMORY a number of bytes, 0 for any.
"""

import contextlib
import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux' prctl."""
_PAUSE = 0.5
"""Seconds between two looks at whether the parent is there, where the system does not tell."""


def command(target: str, *arguments: str, memory: int = 0) -> list[str]:
    """What to start, for `subprocess`.

    Args:
        target: a module's full name, or a script's path.
        arguments: for it.
        memory: bytes that it may take; 0 for any. Where the system has no such limit, any.
    """
    return [sys.executable, "-m", "srnas_tf.host.child", str(os.getpid()), str(memory), target, *arguments]


def end_with(parent: int) -> None:
    """Ends this process when another one does: by the system's means, or by looking now and then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before that
            os._exit(1)
    elif hasattr(os, "getppid"):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os._exit(1)


def limit(memory: int) -> None:
    """Has the system refuse more memory, and keep no picture of a process that dies."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def main(argv: Sequence[str]) -> None:
    """Runs what `command` says."""
    parent, memory, target, *arguments = argv
    end_with(int(parent))
    limit(int(memory))
    sys.argv = [target, *arguments]
    if target.endswith(".py"):
        runpy.run_path(target, run_name="__main__")
    else:
        runpy.run_module(target, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
