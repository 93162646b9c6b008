"""By hand: whether constraints.txt resolves for each supported Python on each platform.

`python tests/tools/resolve.py` needs setuptools and uv (`pip install setuptools uv`). uv asks the package index, and
nothing is installed. A line is printed for each Python and platform. The script fails if one of them has no solution.
"""

import argparse
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parent.parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "Linux x86_64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
    "Windows x86_64": "x86_64-pc-windows-msvc",
}
FROM_SOURCE = "pyvips"
"""Has no wheel: it is pure Python beside `pyvips-binary`, which has."""


def required(extras: list[str]) -> list[str]:
    """The requirements of setup.py."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    said = setup.call_args.kwargs
    return [*said["install_requires"], *(each for extra in extras for each in said["extras_require"][extra])]


def resolve(uv: str, python: str, platform: str, requirements: list[str]) -> str:
    """What stands in the way of an installation; "" if nothing does."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder, "asked.in")
        asked.write_text("\n".join(requirements), "utf-8")
        line = [uv, "pip", "compile", str(asked), "--constraint", str(ROOT / "constraints.txt")]
        line += ["--python-version", python, "--python-platform", platform, "--only-binary", ":all:"]
        line += ["--no-binary", FROM_SOURCE, "--output-file", str(Path(folder, "found.txt"))]
        environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # onnxruntime's wheels begin there
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    return done.stderr[done.stderr.find("error:") :].strip() if done.returncode else ""


def main() -> int:
    """Returns the exit status: 1 if some platform has no solution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default="uv", help="the program")
    parser.add_argument("--extra", action="append", default=[], help="of setup.py; may be repeated")
    given = parser.parse_args()
    failed, requirements = 0, required(given.extra)
    for name, platform in PLATFORMS.items():
        for python in PYTHONS:
            wrong = resolve(given.uv, python, platform, requirements)
            failed += bool(wrong)
            print(f"{name}, Python {python}: {wrong or 'resolves'}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
