"""What experiments of many trainings share: commands in workdirs of their own, trainings in processes of their own."""

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock

from srnas_tf.workdir.files import write_json

ROOT = Path(__file__).parents[1]


def run(mode: str, workdir: Path, *arguments: str) -> None:
    """Runs a mode of the command line in a workdir, and says so in a line on stderr."""
    command = [sys.executable, "-m", "srnas_tf.run", f"--mode={mode}", *arguments, f"--workdir={workdir}"]
    print(f"{workdir.name}: {mode}", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


def train_apart(folder: Path, train: Callable, *arguments: Any) -> bool:
    """Calls a function in a process of its own, unless another process is at work in the folder.

    What TensorFlow has traced stays in memory as long as its process lives.

    Returns:
        Whether it was called.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    with lock:
        process = multiprocessing.get_context("spawn").Process(target=train, args=arguments)
        process.start()
        process.join()
    if process.exitcode:
        sys.exit(f"{folder}: the training failed")
    return True


def flagfile(name: str) -> str:
    """The flag that names a file of flags/."""
    return f"--flagfile={ROOT / 'flags' / name}.flags"


def borrow_supernet(workdir: Path, source: Path) -> None:
    """Makes a workdir that searches the trained supernet of another, which stays as it is."""
    if (workdir / "experiment.json").exists():
        return
    workdir.mkdir(parents=True, exist_ok=True)
    if not (workdir / "supernet").is_symlink():
        (workdir / "supernet").symlink_to(source / "supernet")
    settings = json.loads((source / "experiment.json").read_text("utf-8"))
    write_json(workdir / "experiment.json", {key: settings[key] for key in ("network", "data", "supernet")})


def link_photographs(folder: Path, data: Path, wanted: dict[str, slice]) -> None:
    """Links to photographs of a folder with `train` and `valid`: by role, which of them, in order of their names."""
    for role, which in wanted.items():
        (folder / role).mkdir(parents=True, exist_ok=True)
        for path in sorted((data.resolve() / role).iterdir())[which]:
            link = folder / role / path.name
            if not link.exists():
                link.symlink_to(path)
