"""The pipeline with a budget of milliseconds alone: what it decides, how long it says it takes, what it measures."""

import json
from types import SimpleNamespace

import pytest
from conftest import lines
from PIL import Image
from spaces import WIDE, wide
from test_latency_model import model, took

from srnas_tf.arch import Network
from srnas_tf.arch.network import imdn
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency_file
from srnas_tf.freeze.latency import Times
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.modes import finalists, plan
from srnas_tf.workdir.folder import Workdir

EXPORT = ("--export_files=model.onnx", "--card_latency=false")


@pytest.fixture
def small(monkeypatch):
    """A plan of four networks of a small space, on a machine whose speed is known."""
    monkeypatch.setattr(plan, "SPACE", {name: getattr(wide(), name) for name in WIDE if name != "scale"})
    monkeypatch.setattr(plan, "SEARCH", {"strategy": "grid", "population": 2, "iterations": 2, "top_k": 1})
    monkeypatch.setattr(plan, "SURVIVORS", (2, 1))
    monkeypatch.setattr(plan, "RECIPE", {"batch": 1, "patch": 8})
    monkeypatch.setattr(plan, "SHORTEST", 2)
    monkeypatch.setattr(plan, "REST", 0.0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "latency.json"
    latency_file.write(path, model())
    return path


def test_trainings_fill_the_minutes():
    macs = [1e9 * (1 + i % 8) for i in range(16)]
    starts, growing = plan.costs(plan.Speed(start=8.0, step=0.05, work=2e-11), macs)
    assert starts == (16 + 4 + 2 + 1) * 8.0
    # Those that go on may be the largest, and IMDN is as large.
    units = 3 * sum(macs) + 8 * (8 + 8 + 7 + 7) * 1e9 + 24 * (8 + 8 + 8) * 1e9
    assert growing == pytest.approx(units * 2e-11 + (3 * 16 + 8 * 4 + 24 * 3) * 0.05)


def test_the_speed_lies_between_two_networks():
    assert plan.Speed.between([(6.0, 0.10, 1e9), (8.0, 0.14, 3e9)]) == pytest.approx((7.0, 0.08, 2e-11))
    # The larger one may be faster, where steps depend on the number of layers.
    assert plan.Speed.between([(6.0, 0.14, 1e9), (8.0, 0.10, 3e9)]) == pytest.approx((7.0, 0.10, 0.0))
    assert plan.Speed.between([(6.0, 0.1, 1e9), (6.0, 0.1, 1e9)]) == pytest.approx((6.0, 0.1, 0.0))


def test_a_plan_validates_by_a_few_images(tmp_path):
    for name, count, size in (("small", 30, 48), ("large", 8, 1200)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (size, size)).save(tmp_path / name / f"{i:02}.png")
    few, many = (DataSettings(val_data=str(tmp_path / name)) for name in ("large", "small"))
    assert plan._enough(many, 4) == plan.VALIDATED
    assert plan._enough(few, 4) == int(8 * plan.PIXELS / (8 * 300 * 300)) == 2
    assert plan._enough(few, 2) == 1


def test_a_budget_alone_decides_the_rest(invoke, photographs, tmp_path, file, small, monkeypatch):
    measured, measure = [], plan._speed_of

    def known(networks, space, data):
        measured.append(measure(networks, space, data))
        return plan.Speed(1.0, 1.0, 0.0)

    monkeypatch.setattr(plan, "_speed_of", known)
    work = tmp_path / "w"
    given = (f"--data={photographs}", "--scale=2", "--max_latency_ms=8", f"--latency_table={file}", *EXPORT)
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={work}", "--minutes=2", *given)
    assert status == 0, stderr
    assert stderr.splitlines()[0] == "about 2 minutes here; --minutes gives more or fewer"
    [speed] = measured
    assert speed.start > 0
    assert speed.step + speed.work > 0
    record = json.loads((work / "experiment.json").read_text())
    assert record["plan"] == {"minutes": 2.0}
    assert record["data"]["val_images"] == plan.VALIDATED
    short, middle, long = map(int, record["rungs"]["rungs"].split(","))
    assert 2 <= short < middle < long == record["alone"]["steps"]
    entries = lines(work / "search" / "journal.jsonl")
    assert [(entry["rung"], entry["steps"]) for entry in entries] == [(1, short)] * 4 + [(2, middle)] * 2 + [(3, long)]
    for entry in entries:
        assert entry["latency_ms"] == pytest.approx(took(Network.parse(entry["arch"])), rel=1e-3)
        assert entry["latency_ms"] <= 8
        assert entry["origin"] == "grid"
    assert not (work / "finalists.json").exists()  # the device is another one

    # The same command goes on by what was decided; another length is another experiment.
    monkeypatch.setattr(plan, "_speed_of", None)
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={work}", "--minutes=2", *given)
    assert status == 0, stderr
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={work}", "--minutes=3", *given)
    assert status == 2
    assert "--minutes=3.0 contradicts 2.0" in stderr


def test_too_few_minutes(invoke, photographs, tmp_path, file, small, monkeypatch):
    monkeypatch.setattr(plan, "_speed_of", lambda networks, space, data: plan.Speed(100.0, 0.0001, 0.0))
    given = (f"--data={photographs}", "--scale=2", "--max_latency_ms=8", f"--latency_table={file}", *EXPORT)
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={tmp_path / 'w'}", "--minutes=2", *given)
    assert status == 2
    assert "--minutes=2: too few to train networks here; give 14 or more" in stderr  # of 8 trainings
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={tmp_path / 'v'}", "--minutes=2", "--width=8", *given)
    assert status == 2
    assert "--minutes=2: is for --max_latency_ms without flags" in stderr
    assert not (tmp_path / "v").exists()


def _timed(monkeypatch, ms):
    """Makes up the times of networks; returns what was asked for."""
    asked = []

    def measure(networks, conditions, rounds):
        asked.append([str(network) for network in networks])
        described = {"runtime": conditions.runtime, "threads": conditions.threads, "input_size": conditions.input_size}
        return Times(described, {str(network): ms(network) for network in networks})

    monkeypatch.setattr(finalists, "measure_networks", measure)
    return asked


def test_finalists_are_timed_once(tmp_path, monkeypatch):
    network = Network.parse("x2:w8:imdn:r0.25:k3:f1:SC-SC")
    asked = _timed(monkeypatch, lambda each: each.macs() / 1e8)
    workdir, conditions = Workdir(tmp_path), LatencySettings("onnxruntime", 1, "16x16")
    timed = finalists.time_finalists([network], conditions, wide(), workdir)
    assert timed.what == "onnxruntime"
    assert finalists.time_finalists([network], conditions, wide(), workdir) == timed
    assert len(asked) == 1
    finalists.time_finalists([Network.parse("x2:w8:imdn:r0.25:k3:f1:SC")], conditions, wide(), workdir)
    assert len(asked) == 2
    (tmp_path / "finalists.json").write_text('[{"arch": 5}]')
    with pytest.raises(UserError, match=r"finalists\.json: is spoiled"):
        finalists.time_finalists([network], conditions, wide(), workdir)


def test_those_of_another_device_are_predicted(tmp_path, file):
    known = Network.parse(next(iter(model().networks)))
    timed = finalists.time_finalists([known], LatencySettings(latency_table=str(file)), wide(), Workdir(tmp_path))
    assert timed.what == "onnxruntime, predicted"
    assert timed.ms[str(known)] == pytest.approx(took(known), rel=1e-3)
    assert not (tmp_path / "finalists.json").exists()


def test_the_baseline_is_no_faster(monkeypatch):
    network = Network.parse("x2:w8:imdn:r0.25:k3:f1:SC-SC")
    times = {str(imdn(2, width, 2)): float(width) for width in finalists.WIDTHS} | {str(network): 15.0}
    assert finalists.baseline_of(network, times) == imdn(2, 16, 2)
    assert finalists.baseline_of(network, {}).params >= network.params
    assert finalists.baseline_of(network, times | {str(network): 99.0}).params >= network.params


def test_a_network_that_takes_too_long_is_not_the_found_one(capsys):
    networks = [Network.parse(f"x2:w8:imdn:r0.25:k3:f1:{blocks}") for blocks in ("SC-SC", "SC")]
    trained = [SimpleNamespace(provenance={"val_psnr": psnr}) for psnr in (30.0, 29.0)]
    times = {str(networks[0]): 12.0, str(networks[1]): 9.0}
    assert finalists.best_of(networks, trained, {}, 10.0)[0] == networks[0]
    assert finalists.best_of(networks, trained, times, 0.0)[0] == networks[0]
    assert finalists.best_of(networks, trained, times, 10.0)[0] == networks[1]
    assert not capsys.readouterr().err
    assert finalists.best_of(networks, trained, times, 8.0)[0] == networks[1]
    assert "--max_latency_ms=8 when timed directly: the fastest takes 9 ms" in capsys.readouterr().err
