"""Loads and runs an unknown model file for the first time, in a process of its own and on the processor alone.

Memory and time are limited. A runtime that crashes on the file, or never ends, takes only that process with it.

python -m srnas_tf.freeze.trial RUNTIME FILE [STAGE ...]

prints as JSON what is wrong with a file in a runtime, or nothing if it enlarges small images.
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
"""Limits in bytes and seconds, for loading a file and enlarging small images or one of its own size."""

_LONGEST = 2000
"""The longest message of the process, in bytes."""


def run(runtime: Runtime, path: Path, stages: Sequence[Path] = ()) -> None:
    """Tries a file.

    Args:
        runtime: its name.
        path: path of the file.
        stages: the files of its stages, which are loaded too.

    Raises:
        ValueError: if it does not enlarge, crashes its runtime, or takes too much.
        WorkError: if its output holds NaN or infinity.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
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
