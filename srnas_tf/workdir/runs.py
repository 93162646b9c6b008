"""Records the runs in a folder: each command that wrote there, with its time, versions and processor."""

import datetime
import platform
import shlex
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from srnas_tf import __version__
from srnas_tf.host.devices import processor
from srnas_tf.workdir.journal import append_line

NAME = "runs.jsonl"
"""The file in a workdir, with a line for each process."""
PACKAGES = ("tensorflow", "keras", "numpy")
"""Packages whose versions may change results."""


def note(folder: Path, arguments: Sequence[str]) -> None:
    """Adds this process to a folder's record.

    Args:
        folder: must exist.
        arguments: arguments of the command line, without the program.

    Raises:
        WorkError: if it cannot be written.
    """
    line = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "srnas_tf.run", *arguments]),
        "processor": processor(),
        "versions": {"srnas_tf": __version__, "python": platform.python_version(), **_versions()},
    }
    append_line(folder / NAME, line)


def _versions() -> dict[str, str]:
    """The versions of installed packages."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a build of it by another name
            continue
    return found
