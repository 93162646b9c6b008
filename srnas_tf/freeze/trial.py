"""A model file of anybody's is loaded and run for the first time in a process of its own, on the processor alone.

It may take so much memory and so much time there. A runtime that crashes on the file, or never comes to an end, takes
that process with it and not the command.

python -m srnas_tf.freeze.trial RUNTIME FILE [STAGE ...]

prints what is wrong with a file in a runtime, as JSON; nothing where it enlarges small images.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from srnas_tf.errors import WorkError, first_line
from srnas_tf.freeze.opened import NumberError, load, scale_of
from srnas_tf.freeze.runtimes import BY_NAME
from srnas_tf.freeze.runtimes.runtime import Runtime
from srnas_tf.host import child

MEMORY, SECONDS = 6 << 30, 120.0
"""Bytes and seconds that a file may take to be loaded and to enlarge small images, or one of the size that it takes."""

_LONGEST = 2000
"""Bytes of what the process says."""


def run(runtime: Runtime, path: Path, stages: Sequence[Path] = ()) -> None:
    """Tries a file.

    Args:
        runtime: that is to run it.
        path: of the file.
        stages: files that stand for it in parts, which are loaded too.

    Raises:
        ValueError: where it does not enlarge, crashes its runtime, or takes too much.
        WorkError: where it gives numbers that are none.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = child.command("srnas_tf.freeze.trial", runtime.name, str(path), *map(str, stages), memory=MEMORY)
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.DEVNULL, timeout=SECONDS,
                env=environment, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ValueError(f"it takes more than {SECONDS:g} s for a small image") from None
        said.seek(0)
        answer = said.read(_LONGEST).decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode == 0:
        return
    if done.returncode < 0:
        raise ValueError(f"its runtime crashes on it ({signal.Signals(-done.returncode).name})")
    try:
        wrong = json.loads(answer)
        what, spoiled = str(wrong["wrong"]), bool(wrong["spoiled"])
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"its runtime ends on it ({done.returncode})") from None
    raise WorkError(what) if spoiled else ValueError(what)


def main(argv: Sequence[str]) -> int:
    """Tries the files, in this process."""
    runtime, (path, *stages) = BY_NAME[argv[0]], map(Path, argv[1:])
    try:
        scale_of(load(runtime, path))
        for stage in stages:
            assert runtime.staged
            runtime.staged.load(stage)
    except Exception as error:  # each runtime has errors of its own for a file that it cannot read or run
        print(f"\n{json.dumps({'wrong': first_line(error)[:500], 'spoiled': isinstance(error, NumberError)})}")
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # a runtime that cannot be left is not waited for
