"""Finds a backend of Keras on this machine, makes the packages that came along importable, and trains.

It lies beside `run.sh` in the folder that `benchmarks.gpu.pack` makes, and uses Python's own library alone.
"""

import importlib.util
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRST = ("keras-",)
"""Wheels that come before what the machine has."""
BACKENDS = ("jax", "torch", "tensorflow")


def main() -> int:
    """Runs the training; returns its exit status."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as site:
        for place, first in ((Path(site, "first"), True), (Path(site, "last"), False)):
            place.mkdir()
            for wheel in sorted((HERE / "wheels").glob("*.whl")):
                if wheel.name.startswith(FIRST) == first:
                    with zipfile.ZipFile(wheel) as archive:
                        archive.extractall(place)
        sys.path[:0] = [str(HERE / "code"), str(Path(site, "first"))]
        sys.path.append(str(Path(site, "last")))
        asked = os.environ.get("KERAS_BACKEND", "")
        there = [name for name in BACKENDS if importlib.util.find_spec(name)]
        if not there or (asked and asked not in there):
            missing = asked or f"none of {', '.join(BACKENDS)}"
            print(f"run.sh: {missing} is on this machine; install one, or set KERAS_BACKEND", file=sys.stderr)
            return 2
        os.environ["KERAS_BACKEND"] = asked or there[0]
        os.environ["GPU_RUN_BEGAN"] = str(began)
        out = os.environ.get("OUT") or str(HERE / "out")
        sys.argv[1:1] = [f"--folder={HERE}", f"--out={out}"]
        from benchmarks.gpu.train import console

        return console()


if __name__ == "__main__":
    sys.exit(main())
