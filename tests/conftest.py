"""What tests share: the reference folder, tiny photographs, and a way to run the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from absl import flags as absl_flags
from hypothesis import HealthCheck, settings
from PIL import Image

from srnas_tf.host import devices

os.environ["KERAS_BACKEND"] = "tensorflow"
devices.settle_tensorflow()

# The same few examples in every run, however slow the machine; nothing is kept between runs.
settings.register_profile(
    "tests", derandomize=True, max_examples=40, deadline=None, database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("tests")

# A shell's background job begins with Ctrl-C ignored, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("SRNAS_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data, which the project does not contain."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data in {SHARED}; set SRNAS_SHARED")
    return SHARED


def photograph(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Something with edges and gradients, uint8 RGB."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform(0, 0.6, (3, 3))]
    return (127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def _photographs(home: Path) -> Path:
    folder = home / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(photograph(rng, 60 + 2 * i, 70 - i)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of twelve small PNG files of different sizes."""
    return _photographs(tmp_path)


@pytest.fixture(scope="module")
def module_photographs(tmp_path_factory) -> Path:
    """The same, for all tests of a file."""
    return _photographs(tmp_path_factory.mktemp("module"))


@pytest.fixture
def unprivileged():
    """A folder of a user who is not root, as whom the test goes on."""
    folder = Path(tempfile.mkdtemp())  # not pytest's, whose parents are root's own
    root = not os.geteuid()
    if root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def invoke(capsys, monkeypatch):
    """Runs the command line in this process: (exit status, stdout, stderr); a page that it would serve fails a test."""
    from srnas_tf import run
    from srnas_tf.demo.server import Server

    monkeypatch.setattr(Server, "serve_until_stopped", lambda self: pytest.fail(f"{self.url} would be served for ever"))

    def call(*arguments: str):
        defined = absl_flags.FLAGS.flags_by_module_dict()
        for flag in defined.get("srnas_tf.run", []) + defined.get("srnas_tf.flags", []):
            delattr(absl_flags.FLAGS, flag.name)
        capsys.readouterr()
        status = run.main(["srnas_tf", *arguments])
        return status, *capsys.readouterr()

    return call


def command(*flags: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Runs the command line in a process of its own."""
    line = [sys.executable, "-m", "srnas_tf.run", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


NETWORK = "x2:w16:imdn:r0.25:k3:f1:SCSCS-RSC+reduced+f3"
"""What `frozen` freezes."""


@pytest.fixture(scope="session")
def frozen(tmp_path_factory):
    """A network, what was said of its files, and their folder; not to be changed."""
    from srnas_tf import nets
    from srnas_tf.data import images
    from srnas_tf.data.sources import load_pairs
    from srnas_tf.freeze.export import export
    from srnas_tf.nets.initial import initialize

    folder = tmp_path_factory.mktemp("frozen")
    rng = np.random.default_rng(0)
    (folder / "photographs").mkdir()
    for i, (height, width) in enumerate([(48, 64), (66, 40)]):
        Image.fromarray(photograph(rng, height, width)).save(folder / "photographs" / f"{i}.png")
    model = nets.SRNet(NETWORK)
    initialize(model, 0, "interpolation")
    report = export(model, load_pairs(images.find(folder / "photographs"), 2), folder / "export")
    return model, report, folder / "export"
