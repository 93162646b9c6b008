"""What experiments of many trainings share: commands in workdirs of their own."""

import json
import subprocess
import sys
from pathlib import Path

from srnas_tf.workdir.files import write_json

ROOT = Path(__file__).parents[1]


def run(mode: str, workdir: Path, *arguments: str) -> None:
    """Runs a mode of the command line in a workdir, and says so in a line on stderr."""
    command = [sys.executable, "-m", "srnas_tf.run", f"--mode={mode}", *arguments, f"--workdir={workdir}"]
    print(f"{workdir.name}: {mode}", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


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
