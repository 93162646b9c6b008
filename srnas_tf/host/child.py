"""Child processes, which always end with this process, and have a limit of memory.

python -m srnas_tf.host.child PARENT MEMORY TARGET [ARGUMENT ...]

runs TARGET, a module or a script, in such a process. PARENT is the number of its parent process. MEMORY is the limit in
bytes, or 0 for none.
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

from srnas_tf.host.devices import settle_tensorflow

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux' prctl."""
_PAUSE = 0.5
"""Seconds between two checks of the parent, if the system does not tell."""


def command(target: str, *arguments: str, memory: int = 0) -> list[str]:
    """A command line for `subprocess`.

    Args:
        target: a module's full name, or a script's path.
        arguments: arguments of the module or script.
        memory: limit in bytes; 0 for none. Some systems have no such limit.
    """
    return [sys.executable, "-m", "srnas_tf.host.child", str(os.getpid()), str(memory), target, *arguments]


def end_with(parent: int) -> None:
    """Ends this process when another one ends, by the system's means or by regular checks."""
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
    """Limits the memory of this process, and switches off core dumps."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def main(argv: Sequence[str]) -> None:
    """Runs a command line of `command`."""
    parent, memory, target, *arguments = argv
    end_with(int(parent))
    limit(int(memory))
    settle_tensorflow()
    sys.argv = [target, *arguments]
    if target.endswith(".py"):
        runpy.run_path(target, run_name="__main__")
    else:
        runpy.run_module(target, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
