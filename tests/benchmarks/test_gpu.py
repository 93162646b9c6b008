"""The training on a GPU, on the processor: its batches, its steps beside the package's, its stays, its folder."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import _photographs

from benchmarks.gpu import images, pack, state, train
from benchmarks.gpu.step import as_sums
from benchmarks.gpu.take import take
from srnas_tf import arch
from srnas_tf.data.patches import Patches
from srnas_tf.data.patches import Photographs as Packaged
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.nets.files import load
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings

RECIPE = TrainSettings(
    steps=20, batch=3, patch=8, learning_rate=1e-3, schedule="cosine", frequency_loss=0.05, ema=0.9, seed=4,
    validate_every=20,
)  # fmt: skip
NETWORK = "x2:w8:expanded:bare:r0.25:b3:f1:TC"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Photographs, and the folder for a machine."""
    home = tmp_path_factory.mktemp("gpu")
    _photographs(home)
    pack.pack(home / "folder", NETWORK, RECIPE, "photographs", paths(home), "webp", 90, 5.0, wheels=())
    return home


def paths(home: Path) -> list[Path]:
    return sorted((home / "photographs").glob("*.png"))


def training(folder: Path, where: Path | None = None) -> train.Training:
    return train.Training(folder, (where or folder) / state.NAME, "", per_call=6)


@pytest.fixture(scope="module")
def packaged(home) -> list[np.ndarray]:
    """The weights that the package's own loop comes to."""
    data = DataSettings(data=str(home / "photographs"), val_data=str(home / "photographs"))
    job = Job(data, RECIPE, MachineSettings(), 2, home)
    return job.train_network(arch.parse(NETWORK), home / "packaged").get_weights()


@pytest.mark.parametrize(("scale", "patch"), [(2, 8), (3, 17), (4, 5)])
def test_batches_are_the_packages_to_the_bit(home, scale, patch):
    ours = images.Photographs(images.read(home / "folder" / "images.zip"), scale, seed=4)
    theirs = Patches(Packaged(paths(home), scale), patch, 20, seed=4)
    for step in (0, 7):
        lines = ours.lines(step, patch, 20)
        gathered = [images.gather(ours.pixels[i], lines[:, i], patch * (1, scale)[i]) for i in (0, 1)]
        for own, wanted in zip(gathered, theirs.at(step), strict=True):
            np.testing.assert_array_equal(own, wanted)


@pytest.mark.parametrize(("size", "dilation"), [(3, 1), (5, 1), (3, 2), (2, 1)])
def test_a_depthwise_convolution_is_a_sum_of_products(size, dilation):
    rng = np.random.default_rng(size)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 7, 9, 4), (size, size, 4, 1)))
    wanted = keras.ops.depthwise_conv(x, kernel, padding="same", dilation_rate=dilation)
    made = as_sums(keras.ops.convert_to_tensor(x), kernel, padding="same", dilation_rate=dilation)
    np.testing.assert_allclose(made, wanted, atol=1e-5)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_run_comes_to_the_packages_weights(home, packaged, backend, tmp_path):
    """20 steps of the folder's own code, as the machine runs it, and back into a network."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if backend == "torch" and not os.environ.get("SRNAS_ALL_BACKENDS"):
        pytest.skip("set SRNAS_ALL_BACKENDS=1; eager steps take their time")
    line = ["bash", str(home / "folder" / "run.sh"), "--steps=20", "--steps_per_call=7", "--minutes=9"]
    environment = {**os.environ, "KERAS_BACKEND": backend, "OUT": str(tmp_path / "out"), "PYTHON": sys.executable}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "status.txt").read_text() == "done: 20 of 20 steps\n"
    speed = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert speed["steps_per_second"] > 0
    assert backend in speed["device"]
    take(tmp_path / "out" / state.NAME, tmp_path / "model.keras")
    network = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    first, _ = state.load(home / "folder" / state.NAME)
    for own, wanted, start in zip(network.get_weights(), packaged, first["weights"], strict=True):
        np.testing.assert_allclose(own, wanted, atol=2e-5)
        assert np.abs(wanted - start).max() > 1e-3
    assert load(tmp_path / "model.keras").provenance["data"] == "photographs"


def test_a_later_stay_goes_on_to_the_bit(home, tmp_path):
    through, parts = tmp_path / "through", tmp_path / "parts"
    for out in (through, parts):
        out.mkdir()
    whole = training(home / "folder")
    whole.lay(20)
    assert list(whole.spans(4)) == [(4, 10), (10, 16), (16, 20)]
    assert train.run(whole, through, time.monotonic() + 600, 1000)

    first = training(home / "folder")
    first.lay(20)
    first.spans = lambda start: iter([(0, 6), (6, 10)])
    assert not train.run(first, parts, time.monotonic() + 600, 0)
    second = training(home / "folder", parts)
    assert (second.facts["done"], second.settings.steps) == (10, 20)
    assert train.run(second, parts, time.monotonic() + 600, 1000)
    one, two = (state.load(out / state.NAME)[0] for out in (through, parts))
    for name in state.LISTS:
        for a, b in zip(one[name], two[name], strict=True):
            np.testing.assert_array_equal(a, b)
    assert one["count"] == two["count"] == 20
    steps = [json.loads(line)["step"] for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert steps == [6, 10, 16, 20]
    late = training(home / "folder", parts)
    late.facts["done"] = 10
    assert not train.run(late, parts, time.monotonic() + 1, 1000)  # there is no time left for a call


def test_measuring_changes_nothing(home):
    measured = training(home / "folder")
    before = [weight.copy() for weight in measured.state["weights"]]
    speed = measured.measure()
    assert speed["slowest"] <= speed["steps_per_second"] <= speed["fastest"]
    for weight, old in zip(measured.state["weights"], before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_steps_are_laid_over_the_minutes():
    assert train.steps_of(540, 540, 60, 100, 50) == 46050
    assert train.steps_of(1620, 540, 60, 100, 50) == 138200
    assert train.steps_of(60, 60, 59, 100, 50) == 50


REFUSED = {
    "a folder that is there": ({"folder": "photographs"}, "--folder=.*: exists"),
    "more than the limit": ({"limit": 0.1}, r"MiB are more than --limit=0\.1; 12 images take"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folders_that_are_not_made(home, case):
    given, line = REFUSED[case]
    folder, limit = home / given.get("folder", "other"), given.get("limit", 5.0)
    with pytest.raises(UserError, match=line):
        pack.pack(folder, NETWORK, RECIPE, "photographs", paths(home), "webp", 90, limit, wheels=())
    assert not (home / "other").exists()


def test_recipes_that_a_gpu_does_not_train(tmp_path):
    data = DataSettings()
    with pytest.raises(UserError, match=r"--teacher="):
        pack.check(TrainSettings(teacher="x.keras"), data)
    with pytest.raises(UserError, match=r"--precision=mixed_float16"):
        pack.check(TrainSettings(precision="mixed_float16"), data)
    with pytest.raises(UserError, match=r"--degradation"):
        pack.check(TrainSettings(), DataSettings(degradation="photo"))
    (tmp_path / state.NAME).write_bytes(b"PK nothing")
    for name in (state.NAME, "none.npz"):
        with pytest.raises(UserError, match=rf"{name}: is no state of a training"):
            state.load(tmp_path / name)
