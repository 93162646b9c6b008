"""Measured latency: turns, their journal, tables made of them here and on devices, and how well those predict."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from srnas_tf import arch, nets
from srnas_tf.arch import Space
from srnas_tf.arch.latency import LatencyTable
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency_file, latency_kit, stopwatch
from srnas_tf.freeze.latency import measure_networks
from srnas_tf.freeze.runtimes import machine, onnxruntime
from srnas_tf.freeze.runtimes.runtime import Opened
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.modes.benchmark import compare, spread
from srnas_tf.nets import files

SPACE = Space(stages=1, depth=2, width=8, scale=2, stem="light")
FLAGS = (
    "--stages=1",
    "--depth=2",
    "--width=8",
    "--scale=2",
    "--stem=light",
    "--input_size=16x16",
    "--rounds=1",
    "--threads=1",
)
BLOCKS = [str(block) for block in SPACE.blocks]
MANIFEST = {
    "version": 1,
    "runtime": "fake",
    "input_size": "8x6",
    **{
        "scale": 2,
        "width": 8,
        "depth": 2,
        "stem": "light",
        "frame": "frame",
        "blocks": dict(zip(BLOCKS, ["light", "heavy"], strict=True)),
    },
    "networks": {"mixed": {"file": "mixed", "blocks": BLOCKS}},
}


class Device:
    """A machine with its own clock: its files take a sum of milliseconds, and ever longer from load to load."""

    def __init__(self, monkeypatch) -> None:
        self.now, self.loads = 0.0, 0
        monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: self.now)
        fake = onnxruntime.RUNTIME._replace(name="fake", module="numpy", open=self.load)
        monkeypatch.setitem(stopwatch.BY_NAME, "fake", fake)

    def load(self, path, threads):
        assert threads == 2
        ms = {"frame": 4, "light": 4 + 2 * 3, "heavy": 4 + 2 * 5, "mixed": 4 + 3 + 5}[path.name]
        self.loads += 1
        slower = 1 + (self.loads - 1) // 4 / 100

        def run(image):
            assert image.shape == (1, 8, 6, 3)
            self.now += ms * slower / 1000

        return Opened(run)


@pytest.fixture
def device(monkeypatch, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    return Device(monkeypatch)


def test_turns_cancel_what_slows_all(device, tmp_path, capsys):
    stopwatch.main([f"--folder={tmp_path}", "--rounds=3", "--threads=2", "--machine=A phone"])
    table = latency_file.read(tmp_path / "latency-fake-t2-8x6.json")
    assert (table.machine, table.runtime, table.threads, table.hyperparameters) == ("A phone", "fake", 2, {
        "scale": 2, "width": 8, "depth": 2, "stem": "light",
    })  # fmt: skip
    assert table.frame == pytest.approx(4 * 1.01)  # as in the middle one of three rounds
    assert [table.blocks[block] for block in BLOCKS] == pytest.approx([3 * 1.01, 5 * 1.01])
    table.check(SPACE, "it")
    assert "1 whole networks: median error of the prediction 0.0%" in capsys.readouterr().out
    assert device.loads == 12


def test_a_slow_round_and_a_slow_turn_change_nothing():
    true = {"a": 2.0, "b": 3.0, "c": 7.0}
    turns = {file: [ms, ms, 5 * ms, ms * 1.1, ms] for file, ms in true.items()}
    turns["b"][1] *= 4
    settled, spread = stopwatch.settle(turns)
    assert settled == pytest.approx(true)
    assert all(0 <= share < 0.5 for share in spread.values())
    assert list(stopwatch.settle({"a": [2.0]})) == [{"a": 2.0}, {"a": 0.0}]
    assert stopwatch.settle({})[0] == {}


def test_what_varies_says_so(monkeypatch):
    """Within a turn, and from turn to turn."""
    clock, pace = [0.0], iter([1.0, 2.0, 3.0] * 1000)
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: clock[0])

    def run():
        clock[0] += next(pace) / 1000

    ms, spread = stopwatch.turn(run)
    assert ms == pytest.approx(2)
    assert spread == pytest.approx(1, abs=0.1)
    turns = {"steady": [4.0] * 8, "wild": [4.0, 8.0] * 4, "other": [3.0] * 8}
    spread = stopwatch.settle(turns)[1]
    assert spread["steady"] < 0.01
    assert spread["wild"] > 0.5


def test_a_measurement_goes_on_where_it_was(device, tmp_path):
    arguments = [f"--folder={tmp_path}", "--rounds=3", "--threads=2"]
    stopwatch.main(arguments)
    journal, table = tmp_path / "times-fake-t2-8x6.jsonl", tmp_path / "latency-fake-t2-8x6.json"
    whole, undisturbed = journal.read_text(), table.read_text()
    journal.write_text(whole[: len(whole) * 2 // 3])  # a kill, in the middle of a line
    left = journal.read_text().count("\n") - 1
    device.loads = left
    stopwatch.main(arguments)
    assert device.loads == 12
    assert (journal.read_text(), table.read_text()) == (whole, undisturbed)
    with pytest.raises(SystemExit, match="other conditions"):
        stopwatch.main([*arguments, "--machine=Another phone"])


def test_a_block_that_takes_no_time_makes_no_table():
    times = {"frame": 4.0, "light": 3.9, "heavy": 5.0}
    with pytest.raises(SystemExit, match=r"SS\+.* no measurable time"):
        stopwatch.table_of(MANIFEST, times, {})


def test_networks_to_compare_with_are_spread_over_the_space():
    space = Space(depth=4, width=16)
    networks = spread(space, 20, seed=0)
    assert networks == spread(space, 20, seed=0) != spread(space, 20, seed=1)
    macs = [network.macs() for network in networks]
    assert macs == sorted(macs)
    assert len(set(networks)) == 20
    assert all(len(set(network.blocks)) > 1 for network in networks)
    least, most = (sign * space.smallest(lambda n, s=sign: s * n.macs()).macs() * sign for sign in (1, -1))
    assert macs[-1] - macs[0] > 0.6 * (most - least)
    assert len(spread(SPACE, 20, 0)) == 2  # all that are there and mixed
    assert spread(Space(space="imdn"), 3, 0) == [Space(space="imdn").network((0,) * 6)]
    assert spread(SPACE, 0, 0) == []


def _table(**changes) -> LatencyTable:
    described = {"machine": "m", "runtime": "litert", "runtime_version": "2", "threads": 1, "input_size": "16x16"}
    described |= {"date": "2026-11-23", "frame": 4.0, "blocks": dict(zip(BLOCKS, (3.0, 5.0), strict=True))}
    return LatencyTable(**{**described, **SPACE_MEASURES, **changes})


SPACE_MEASURES = {"scale": 2, "width": 8, "depth": 2, "stem": "light"}


def test_what_a_comparison_says():
    networks = [SPACE.network(codes) for codes in ((0, 0), (0, 1), (1, 1))]  # 10, 12 and 14 ms are predicted
    measured = {str(network): ms for network, ms in zip(networks, (20.0, 10.0, 28.0), strict=True)}
    said = compare(_table(), networks, measured)
    assert [entry["predicted_ms"] for entry in said["networks"]] == [10, 12, 14]
    assert (said["median_error"], said["largest_error"], said["median_ratio"]) == (0.5, 0.5, 2)
    assert said["spearman"] == pytest.approx(0.5)
    assert compare(_table(), networks[:1], measured)["spearman"] is None
    assert compare(_table(), [], {}) == {"networks": []}


def test_conditions_are_the_tables_or_what_the_flags_say():
    usual = LatencySettings()
    assert (usual.runtime, usual.input_size, usual.threads) == ("onnxruntime", "128x128", machine.cores())
    assert LatencySettings(threads=3).name == "onnxruntime-t3-128x128"
    given = LatencySettings(latency_table="a.json", threads=1)
    given.agree(_table(), "a.json")
    assert LatencySettings.of(_table()) == LatencySettings("litert", 1, "16x16")
    for changes in ({"runtime": "tf"}, {"threads": 2}, {"input_size": "16x17"}):
        with pytest.raises(UserError, match=f"--{next(iter(changes))}=.*a.json"):
            LatencySettings(latency_table="a.json", **changes).agree(_table(), "a.json")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A folder for a device, and what its script said there: without this package, and without TensorFlow."""
    folder = tmp_path_factory.mktemp("kit") / "blocks"
    networks = spread(SPACE, 1, 0)
    latency_kit.write_table_kit(folder, LatencySettings("litert", 1, "16x16"), SPACE, networks)
    latency_kit.write_script(folder)
    script = (
        "from timing.stopwatch import main; main(); assert not {'tensorflow', 'srnas_tf', 'keras'} & set(sys.modules)"
    )
    script = f"import sys; sys.argv = ['measure.py', '--threads=1', '--rounds=2', '--machine=A phone']; {script}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_table_made_elsewhere_is_accepted(kit, invoke, tmp_path):
    folder, said = kit
    path = folder / "latency-litert-t1-16x16.json"
    assert str(path.name) in said
    assert "1 whole networks" in said
    assert latency_file.read(path).machine == "A phone"
    here = ("--mode=benchmark", f"--workdir={tmp_path / 'w'}", f"--latency_table={path}", "--networks=0")
    status, _, stderr = invoke(*here, *FLAGS)
    assert status == 0, stderr
    assert list(json.loads((tmp_path / "w" / "benchmark.json").read_text())["space"]) == ["litert-t1-16x16"]
    for flag, named in (("--stages=2", "lacks"), ("--runtime=tf", "--runtime=tf"), ("--depth=3", "depth 2")):
        status, _, stderr = invoke(*here[:1], *here[2:], f"--workdir={tmp_path / 'v'}", *FLAGS, flag)
        assert status == 2
        [line] = stderr.splitlines()
        assert named in line
        assert str(path) in line
    other = tmp_path / "other.json"
    latency_file.write(other, dataclasses.replace(latency_file.read(path), runtime="tvm"))
    status, _, stderr = invoke("--mode=benchmark", f"--workdir={tmp_path / 'v'}", f"--latency_table={other}", *FLAGS)
    assert status == 2
    assert "tvm" in stderr
    assert not (tmp_path / "v").exists()


def test_a_space_is_measured_once_and_compared_with_whole_networks(invoke, tmp_path):
    here = ("--mode=benchmark", f"--workdir={tmp_path / 'w'}", *FLAGS)
    status, stdout, stderr = invoke(*here, "--networks=1")
    assert status == 0, stderr
    path = tmp_path / "w" / "latency-onnxruntime-t1-16x16.json"
    table, text = latency_file.read(path), path.read_text()
    table.check(SPACE, "it")
    entry = json.loads((tmp_path / "w" / "benchmark.json").read_text())["space"]["onnxruntime-t1-16x16"]
    assert entry["table"] == path.name
    [network] = entry["networks"]
    assert network["predicted_ms"] == pytest.approx(table.frame + sum(table.blocks.values()))
    assert 0.2 < network["measured_ms"] / network["predicted_ms"] < 5  # 1 but for noise
    assert network["arch"] in stdout
    names = {"experiment.json", "runs.jsonl", "benchmark.json", path.name}
    assert {file.name for file in (tmp_path / "w").iterdir()} == names
    assert invoke(*here, "--networks=0")[0] == 0
    assert path.read_text() == text  # not measured again


def test_networks_are_timed_without_being_trained():
    texts = ["x2:w8:expanded:bare:r0.25:x3:f1:TC-TCT", "x2:fsrcnn"]
    times = measure_networks([arch.parse(text) for text in texts], LatencySettings("onnxruntime", 1, "16x16"), 1)
    assert list(times.ms) == texts
    assert min(times.ms.values()) > 0
    assert times.described["runtime"] == "onnxruntime"


def test_a_model_is_timed_in_its_runtimes(kit, invoke, tmp_path):
    model = nets.SRNet(SPACE.network((0, 1)))
    files.save(model, tmp_path / "model.keras")
    (tmp_path / "model.tflite").write_bytes((kit[0] / "network0.tflite").read_bytes())
    small = ("--mode=benchmark", "--input_size=16x16", "--rounds=1", "--threads=1")
    for name, runtime in (("model.keras", "tf"), ("model.tflite", "litert")):
        status, stdout, stderr = invoke(*small, f"--model={tmp_path / name}", f"--runtime={runtime}")
        assert status == 0, stderr
        assert runtime in stdout
    entries = json.loads((tmp_path / "benchmark.json").read_text())["models"]
    assert list(entries) == ["model.keras tf-t1-16x16", "model.tflite litert-t1-16x16"]
    assert all(np.isfinite(entry["latency_ms"]) and entry["latency_ms"] > 0 for entry in entries.values())
    status, _, stderr = invoke(*small, f"--model={tmp_path / 'model.tflite'}", "--runtime=onnxruntime")
    assert status == 2
    assert "--runtime=onnxruntime" in stderr


def test_the_kit_of_deployers_holds_the_script(tmp_path):
    latency_kit.write_script(tmp_path)
    kit = ROOT / "export" / "latency"
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.py")}
    assert made == {path.relative_to(kit): path.read_bytes() for path in _scripts(kit)}


def _scripts(kit):
    return [kit / "measure.py", *kit.glob("timing/*.py"), *kit.glob("timing/runtimes/*.py")]


def test_runtimes_import_nothing_before_they_are_used(tmp_path):
    latency_kit.write_script(tmp_path)
    unwanted = {"tensorflow", "onnxruntime", "ai_edge_litert", "openvino", "onnx", "srnas_tf"}
    script = f"import sys, timing.stopwatch; assert not {unwanted} & set(sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)


def test_the_format_is_described():
    text = (ROOT / "export" / "latency" / "README.md").read_text("utf-8")
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))
    assert sorted(described) == sorted(_table().to_json())
