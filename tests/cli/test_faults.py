"""Full disks, folders that cannot be written, clocks that go back, photographs that vanish: one line, and what was
earned before is still there.
"""

import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, lines

from srnas_tf import arch, nets
from srnas_tf.arch import Space
from srnas_tf.data import images, photograph
from srnas_tf.data.sources import DataSettings, load_pairs
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze import export as freezing
from srnas_tf.nets import files
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import SearchSettings
from srnas_tf.train import loop
from srnas_tf.train.checkpoints import Checkpoints
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.train.writer import Metrics
from srnas_tf.workdir.files import write_json
from srnas_tf.workdir.folder import Workdir
from srnas_tf.workdir.journal import read_lines

TINY = TrainSettings(steps=6, batch=2, patch=8, learning_rate=1e-3, validate_every=3, checkpoint_every=3)
NETWORK = arch.imdn(2, 16, 1)
LIMITS = resource.getrlimit(resource.RLIMIT_FSIZE)


def fill_disk(room: int = 0) -> None:
    """From now on no file grows past `room` bytes: what a full disk looks like to whoever writes to it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, LIMITS[1]))


def free_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, LIMITS)


@contextlib.contextmanager
def full_disk(room: int = 0):
    fill_disk(room)
    try:
        yield
    finally:
        free_disk()


@pytest.fixture
def at_step(monkeypatch):
    """Has something happen as a step, counted from 0, begins."""
    rate_at = TrainSettings.rate_at

    def happen(step, what):
        def rate(settings, at):
            if at == step:
                monkeypatch.setattr(TrainSettings, "rate_at", rate_at)  # once
                what()
            return rate_at(settings, at)

        monkeypatch.setattr(TrainSettings, "rate_at", rate)

    yield happen
    free_disk()


def train(photographs: Path, folder: Path, **machine) -> nets.Net:
    data = DataSettings(data=str(photographs))
    return Job(data, TINY, MachineSettings(**machine), 2, folder).train_network(NETWORK, folder)


def weights(model: nets.Net) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in model.weights]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, module_photographs):
    """The weights that a training ends with."""
    return weights(train(module_photographs, tmp_path_factory.mktemp("undisturbed")))


def test_a_disk_that_fills_up_costs_the_steps_since_the_last_checkpoint(
    module_photographs, undisturbed, tmp_path, at_step
):
    at_step(4, lambda: fill_disk(60_000))  # more than the curves need, less than a checkpoint
    with pytest.raises(WorkError, match=r"checkpoints: cannot be written \(.*make room for it, then give the same"):
        train(module_photographs, tmp_path)
    free_disk()
    assert {path.name.split(".")[0] for path in (tmp_path / "checkpoints").iterdir()} == {"ckpt-3"}
    assert weights(train(module_photographs, tmp_path)) == undisturbed
    assert [entry["step"] for entry in lines(tmp_path / "metrics.jsonl")] == [1, 3, 4, 6]


def test_a_full_disk_costs_no_journal(tmp_path):
    space, settings = Space(depth=4, width=16), SearchSettings(population=6, iterations=2)
    quality = lambda codes: float(sum(codes))  # noqa: E731
    search(Feasible(space, {}), settings, quality, tmp_path / "a")
    whole = (tmp_path / "a" / "journal.jsonl").read_bytes()
    seven = sum(map(len, whole.splitlines(keepends=True)[:7]))
    with full_disk(seven + 20), pytest.raises(WorkError, match=r"journal\.jsonl: cannot be written \(File too large\)"):
        search(Feasible(space, {}), settings, quality, tmp_path / "b")
    assert (tmp_path / "b" / "journal.jsonl").read_bytes() == whole[: seven + 20]  # a line cut short
    measured = []
    search(Feasible(space, {}), settings, lambda codes: measured.append(codes) or quality(codes), tmp_path / "b")
    assert (tmp_path / "b" / "journal.jsonl").read_bytes() == whole
    assert len(measured) == 12 - 7


def test_a_full_disk_is_named_by_the_curves_too(tmp_path):
    with full_disk(), pytest.raises(WorkError, match=r"tensorboard: cannot be written \(.*File too large\);"):
        Metrics(tmp_path, 0)


def test_a_full_disk_leaves_the_earlier_file(tmp_path):
    model = nets.build(NETWORK)
    files.save(model, tmp_path / "model.keras")
    write_json(tmp_path / "best.json", [1])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with full_disk(1), pytest.raises(WorkError, match=r"model\.keras: cannot be written"):
        files.save(model, tmp_path / "model.keras")
    with full_disk(1), pytest.raises(WorkError, match=r"best\.json: cannot be written \(File too large\)"):
        write_json(tmp_path / "best.json", list(range(99)))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_the_earlier_export(tmp_path, photographs):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "export.json").write_text("{}")
    pairs = load_pairs(images.find(photographs), 2)
    with full_disk(1_000), pytest.raises(WorkError, match="export: cannot be written"):
        freezing.export(nets.build(NETWORK), pairs, tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir() if path != photographs] == ["export"]
    assert (tmp_path / "export" / "export.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_picture_that_a_full_disk_has_no_room_for_is_no_mistake(tmp_path, name, dtype, caplog):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (200, 200, 3)).astype(dtype)
    with full_disk(1000), pytest.raises(WorkError, match=rf"{name}: cannot be written .*make room for it"):
        photograph.write(tmp_path / name, photograph.Photograph(pixels))
    assert list(tmp_path.iterdir()) == []
    assert not caplog.records


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("what", ["--mode=describe", "--help"])
def test_a_reader_whose_disk_is_full_gets_a_line(what, unbuffered):
    with Path("/dev/full").open("w") as full:
        process = _printing_to(full, what, unbuffered)
    assert process.returncode == 1
    assert process.stderr == "srnas_tf: writing: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_left_is_told_nothing(unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as left:
        process = _printing_to(left, "--mode=describe", unbuffered)
    assert (process.returncode, process.stderr) == (1, "")


def _printing_to(file: TextIO, flag: str, unbuffered: str) -> subprocess.CompletedProcess:
    """Output that Python holds back reaches a file when the program ends, if nobody sees to it."""
    line, settings = [sys.executable, "-m", "srnas_tf.run", flag], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(line, stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=settings, check=False)


def test_a_kill_while_an_export_takes_the_place_of_another_loses_neither(tmp_path, photographs):
    (tmp_path / ".export.former").mkdir()
    (tmp_path / ".export.former" / "export.json").write_text("{}")
    with full_disk(1_000), pytest.raises(WorkError):
        freezing.export(nets.build(NETWORK), load_pairs(images.find(photographs), 2), tmp_path / "export")
    assert (tmp_path / "export" / "export.json").read_text() == "{}"


@pytest.mark.parametrize("mode", ["supernet", "train", "pipeline", "search", "retrain"])
def test_a_workdir_that_cannot_be_written_is_refused_first(invoke, unprivileged, mode):
    (unprivileged / "w").mkdir(mode=0o555)
    status, stdout, stderr = invoke(f"--mode={mode}", f"--workdir={unprivileged / 'w'}", "--arch=SCS", "--data=nowhere")
    assert (status, stdout) == (2, "")
    assert stderr == f"srnas_tf: --workdir={unprivileged / 'w'}: Permission denied; give a folder that can be written\n"


def test_a_folder_in_the_workdir_that_cannot_be_written_is_named(unprivileged):
    with Workdir(unprivileged) as workdir:
        workdir.claim()
        (unprivileged / "search").mkdir(mode=0o555)
        space = Space(depth=2, width=16)
        with pytest.raises(WorkError, match=r"search/journal\.jsonl: cannot be written \(Permission denied\)"):
            search(Feasible(space, {}), SearchSettings(), lambda codes: 30.0, unprivileged / "search")


def test_checkpoints_stay_when_the_clock_goes_back(tmp_path, monkeypatch):
    value = tf.Variable(0)
    checkpoints = Checkpoints(tmp_path, 2, value=value)
    for steps in (8, 9, 10):
        value.assign(10 * steps)
        checkpoints.save(steps)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() - 1e6)
    again = Checkpoints(tmp_path, 2, value=value)
    assert [path.name for path in again.paths] == ["ckpt-9", "ckpt-10"]
    value.assign(0)
    assert again.restore() == 10
    assert value.numpy() == 100
    again.save(11)
    assert [path.name for path in again.paths] == ["ckpt-10", "ckpt-11"]


def test_a_checkpoint_that_cannot_be_read_pushes_no_other_out(tmp_path):
    value = tf.Variable(0)
    checkpoints = Checkpoints(tmp_path, 1, value=value)
    checkpoints.save(10)
    for path in tmp_path.iterdir():
        path.rename(tmp_path / path.name.replace("10", "20"))
    (tmp_path / "ckpt-20.data-00000-of-00001").write_bytes(b"spoiled")
    (tmp_path / "ckpt-notes.index").write_text("mine")
    assert checkpoints.restore() == 0
    checkpoints.save(15)
    assert [path.name for path in checkpoints.paths] == ["ckpt-15"]
    assert checkpoints.restore() == 15
    assert (tmp_path / "ckpt-notes.index").exists()


def test_a_validation_photograph_that_vanishes_is_not_missed(module_photographs, undisturbed, tmp_path, at_step):
    [path] = DataSettings(data=str(module_photographs)).paths("val")
    at_step(2, lambda: path.rename(tmp_path / path.name))
    try:
        assert weights(train(module_photographs, tmp_path / "w")) == undisturbed
    finally:
        (tmp_path / path.name).rename(path)


def test_a_training_photograph_that_vanishes_is_named(module_photographs, undisturbed, tmp_path, at_step):
    """One that had no room in memory, and is read again and again."""
    paths = DataSettings(data=str(module_photographs)).paths("train")
    aside = tmp_path / "aside"

    def vanish():
        aside.mkdir()
        for path in paths:
            path.rename(aside / path.name)

    at_step(0, vanish)
    settings = dataclasses.replace(TINY, steps=40)
    with pytest.raises(UserError, match=r"\d\d\.png: no such image; it could be read before"):
        job = Job(DataSettings(data=str(module_photographs)), settings, MachineSettings(memory_gb=0), 2, tmp_path)
        job.train_network(NETWORK, tmp_path / "w")
    for path in paths:
        (aside / path.name).rename(path)


@pytest.mark.parametrize("spoiled", [b"\x00\x00\n", b'{"step": 1\n', b"[1]\n", b"\xff\n", b"\n"])
def test_a_spoiled_line_of_a_journal_is_named_and_nothing_removed(tmp_path, spoiled):
    path = tmp_path / "journal.jsonl"
    content = b'{"step": 1}\n' + spoiled + b'{"step": 3}\n{"st'
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"journal\.jsonl: line 2 is spoiled; remove it"):
        read_lines(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("rate", "said"), [(1e25, "loss or gradients stopped being finite"), (1.0, r"the loss has come to \d[\d.e+]+")]
)
def test_a_training_that_diverges_stops_and_keeps_what_was_good(module_photographs, tmp_path, monkeypatch, rate, said):
    monkeypatch.setattr(loop, "YOUNG", 0)
    rate_at = TrainSettings.rate_at
    monkeypatch.setattr(TrainSettings, "rate_at", lambda settings, at: rate if at >= 3 else rate_at(settings, at))
    with pytest.raises(WorkError, match=rf"{said} by step \d; lower --learning_rate, .* good checkpoint is .*ckpt-3"):
        train(module_photographs, tmp_path)
    assert {path.name.split(".")[0] for path in (tmp_path / "checkpoints").iterdir()} == {"ckpt-3"}


def test_seconds_do_not_go_back(tmp_path, monkeypatch):
    clock, metrics = time.time, Metrics(tmp_path, 0)
    metrics.write(1, loss=0.5)
    monkeypatch.setattr(time, "time", lambda: clock() - 1e6)
    metrics.write(2, loss=0.5)
    metrics.close()
    one, two = (json.loads(line)["seconds"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert 0 < one <= two
    assert np.isfinite(two)
