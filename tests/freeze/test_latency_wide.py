"""Latency of wide spaces: networks that go to a device, what comes back, and searches within milliseconds by it."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from conftest import lines
from spaces import WIDE, wide
from test_latency_model import model, took

from srnas_tf.arch import Network, Space
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency, latency_file, latency_kit
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.search.latency_model import MIN_NETWORKS, RANGE, LatencyModel, to_time
from srnas_tf.settings import Values
from srnas_tf.workdir.folder import Workdir

SPACE = wide()
FLAGS = [f"--{name}={value}" for name, value in WIDE.items()]
SETTINGS = LatencySettings("litert", 1, "8x8", latency_networks=MIN_NETWORKS)


def test_networks_to_time_are_spread_over_a_space():
    networks = to_time(SPACE, {"params": 9000}, 40)
    assert len(networks) == len(set(networks)) == 40
    assert networks == to_time(SPACE, {"params": 9000}, 40)
    assert all(network.params <= 9000 and SPACE.codes(network) for network in networks)
    assert {(network.width, len(network.blocks)) for network in networks} == {(12, 1), (12, 2), (16, 1), (16, 2)}
    smallest = SPACE.smallest(lambda network: network.macs()).macs()
    assert max(network.macs() for network in networks) <= RANGE * smallest
    with pytest.raises(UserError, match="--max_params=9: the smallest network"):
        to_time(SPACE, {"params": 9}, 40)


def test_a_space_of_few_networks_has_no_model():
    few = Space(
        space="tapped", width=Values((8, 16)), depth=Values((1, 2)), recipes=Values(("T", "TC")), conv="blueprint"
    )
    with pytest.raises(UserError, match="--runtime: the space has 12 networks, and their latency is told from 20"):
        to_time(few, {}, 40)
    large = replace(few, width=Values((8, 64)), depth=Values((1, 2, 3)))
    assert sum(len(large.positions[0]) ** trunk.depth for trunk in large.trunks) == 28
    assert len(to_time(large, {}, 40)) == 28  # those of 64 channels, too, though they need more MACs


def test_what_a_device_times_is_a_model(tmp_path, monkeypatch):
    assert latency_kit.tells_by_model(SPACE, SETTINGS)
    monkeypatch.setattr(latency_kit, "CHUNK", 7)
    killed = 0

    def kill_once(models, folder, runtime):
        nonlocal killed
        killed += 1
        if killed == 2:
            raise KeyboardInterrupt
        yield from frozen(models, folder, runtime)

    frozen = latency_kit._frozen
    monkeypatch.setattr(latency_kit, "_frozen", kill_once)
    folder = tmp_path / "kit"
    with pytest.raises(KeyboardInterrupt):
        latency.write_kit(folder, SETTINGS, SPACE, ())
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.tflite")}
    assert len(before) == 7
    latency.write_kit(folder, SETTINGS, SPACE, ())
    assert {path: path.stat().st_mtime_ns for path in before} == before
    latency_kit.write_script(folder)
    line = [sys.executable, "measure.py", "--threads=1", "--rounds=1", "--machine=A phone"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    made = latency_file.read(folder / "latency-litert-t1-8x8.json")
    assert isinstance(made, LatencyModel)
    assert (made.machine, made.runtime, made.threads, made.input_size) == ("A phone", "litert", 1, "8x8")
    assert list(made.networks) == [str(network) for network in to_time(SPACE, {}, MIN_NETWORKS)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "latency.json"
    latency_file.write(path, model())
    return path


def test_a_search_within_milliseconds_of_a_device(invoke, photographs, tmp_path, file):
    given = (
        "--mode=search",
        f"--data={photographs}",
        *FLAGS,
        "--strategy=halving",
        "--rungs=1",
        "--patch=8",
        "--batch=1",
    )
    given += ("--population=2", "--iterations=2", "--top_k=1", "--max_latency_ms=8", f"--latency_table={file}")
    status, _, stderr = invoke(*given, f"--workdir={tmp_path / 'w'}")
    assert status == 0, stderr
    for entry in lines(tmp_path / "w" / "search" / "journal.jsonl"):
        assert entry["latency_ms"] == pytest.approx(took(Network.parse(entry["arch"])), rel=1e-3)
        assert entry["latency_ms"] <= 8
    status, _, stderr = invoke(*given, f"--workdir={tmp_path / 'v'}", "--max_latency_ms=1")
    assert status == 2
    assert "--max_latency_ms=1.0: the smallest network" in stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--attention=esa",), "no network in it has layers of kind 'attention esa'"),
        (("--scale=4",), "is of scale 2"),
        (("--runtime=tf",), "--runtime=tf"),
        (("--threads=2",), "--threads=2"),
        (("--input_size=16x16",), "--input_size=16x16"),
    ],
)
def test_a_model_of_another_space_or_under_other_conditions(invoke, photographs, tmp_path, file, flags, says):
    status, _, stderr = invoke(
        "--mode=search", f"--workdir={tmp_path / 'w'}", f"--data={photographs}", *FLAGS, "--strategy=halving",
        "--max_latency_ms=8", f"--latency_table={file}", *flags,
    )  # fmt: skip
    assert status == 2
    [line] = stderr.splitlines()
    assert says in line
    assert str(file) in line


def test_a_model_that_fails_its_own_check_is_not_searched_by(tmp_path):
    path = tmp_path / "latency.json"
    latency_file.write(path, model(noise=1.5))
    settings = LatencySettings(latency_table=str(path))
    with pytest.raises(UserError, match=r"--latency_table=.*with an error of \d+% .*measure again on a quiet machine"):
        latency.latency_of(settings, SPACE, Workdir(tmp_path / "w"))


def test_a_space_is_timed_once(invoke, tmp_path, monkeypatch):
    """By a clock of its own: what this machine takes under tests would not pass the model's check."""

    def measured(folder, settings, rounds):
        manifest = json.loads((folder / "manifest.json").read_text())
        described = {
            "machine": "here",
            "runtime": settings.runtime,
            "runtime_version": "1",
            "threads": settings.threads,
        }
        described["input_size"] = settings.input_size
        times = {each["file"]: took(Network.parse(text)) for text, each in manifest["networks"].items()}
        known = {"version": 2, **described, "date": "2026-11-29", "scale": manifest["scale"]}
        known["networks"] = {text: times[manifest["networks"][text]["file"]] for text in manifest["fitted"]}
        if manifest["fitted"]:
            (folder / f"latency-{settings.name}.json").write_text(json.dumps(known))
        return latency.Times(described, times)

    monkeypatch.setattr(latency, "measure", measured)
    monkeypatch.setattr(latency_kit, "freeze_all", lambda *given: None)
    here = ("--mode=benchmark", f"--workdir={tmp_path / 'w'}", *FLAGS, "--networks=5", "--latency_networks=30")
    here += ("--runtime=litert", "--threads=1", "--input_size=8x8")
    for _ in range(2):
        status, stdout, stderr = invoke(*here)
        assert status == 0, stderr
        assert "rank correlation 1.000" in stdout
    assert len(latency_file.read(tmp_path / "w" / "latency-litert-t1-8x8.json").networks) == 30
