"""The command line as its users call it: modes, and the files that they write, keep and leave alone."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import kill
import numpy as np
import pytest
from conftest import ROOT, command, lines, photograph
from figures import IMDN_GMACS, SYSTEMS
from PIL import Image

from srnas_tf import run
from srnas_tf.arch import Space
from srnas_tf.arch.latency import LatencyTable
from srnas_tf.freeze import latency_file
from srnas_tf.workdir import lock

NETWORK = ("--depth=2", "--width=16", "--scale=2", "--stages=2")
TRAINING = ("--steps=4", "--batch=2", "--patch=8", "--checkpoint_every=2")
SEARCH = ("--population=4", "--iterations=2", "--top_k=2")
TINY = (*NETWORK, *TRAINING, *SEARCH, "--nocard_latency")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs that live as long as this file's tests."""
    path = tmp_path_factory.mktemp("cli") / "photographs"
    path.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(photograph(rng, 60 + 2 * i, 70 - i)).save(path / f"{i:02}.png")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory, folder):
    """A pipeline that has come to its end, in a process of its own."""
    workdir = tmp_path_factory.mktemp("cli") / "work"
    process = command("--mode=pipeline", f"--workdir={workdir}", f"--data={folder}", *TINY)
    assert process.returncode == 0, process.stderr
    return workdir, process


def test_the_pipeline_ends_with_a_table_files_and_a_picture(done):
    workdir, process = done
    # Quiet in success; a busy machine is slow enough to be told how much is left.
    said = [line for line in process.stderr.splitlines() if not re.search(r"\d+/\d+, .* left", line)]
    assert said[0] == f"workdir: {workdir}"
    assert [line.split(" on ")[0] for line in said[1:]] == ["training in float32"]
    measured = json.loads((workdir / "evaluate.json").read_text())
    assert measured["photographs"]["images"] == 1
    words = ("bicubic", "IMDN", "found", "parameters", "PSNR", str(workdir / "export"), "compare.png", "report.html")
    for word in words:
        assert word in process.stdout
    rows = {row["method"]: row for row in json.loads((workdir / "pipeline.json").read_text())}
    assert rows["found"]["params"] <= rows["IMDN"]["params"]
    assert rows["found"]["codes"]
    with Image.open(workdir / "compare.png") as picture:
        assert picture.width > picture.height  # one photograph is held out: a row of four
    [row] = json.loads((workdir / "compare" / "crops.json").read_text())
    assert [crop["method"] for crop in row["crops"]] == ["original", "bicubic", "IMDN", "found"]
    best = json.loads((workdir / "search" / "best.json").read_text())
    assert len(best) == 2
    assert {"arch", "psnr", "params", "macs"} <= set(best[0])
    assert len(lines(workdir / "search" / "journal.jsonl")) == 8
    for name in (
        "supernet/metrics.jsonl",
        "retrain/1/model.keras",
        "retrain/2/metrics.jsonl",
        "retrain/imdn/model.keras",
    ):
        assert (workdir / name).exists()
    for name in ("saved_model/1", "model.tflite", "model_fp16.tflite", "model.onnx", "export.json"):
        assert (workdir / "export" / name).exists()
    [run] = lines(workdir / "runs.jsonl")
    assert f"--mode=pipeline --workdir={workdir}" in run["command"]
    absent = re.findall(r"--mode=(\w+)</code> does that", (workdir / "report.html").read_text("utf-8"))
    assert absent == ["rank", "benchmark"]


def test_the_same_command_again_changes_nothing(done, invoke, folder):
    workdir, _ = done
    names = ("supernet/metrics.jsonl", "search/journal.jsonl", "pipeline.json", "experiment.json")
    before = [(workdir / name).read_bytes() for name in names]
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={workdir}", f"--data={folder}", *TINY)
    assert status == 0, stderr
    assert [(workdir / name).read_bytes() for name in names] == before


def test_modes_one_by_one_do_what_the_pipeline_does(done, invoke, folder, tmp_path):
    workdir, _ = done
    here = f"--workdir={tmp_path / 'w'}"
    assert invoke("--mode=supernet", here, f"--data={folder}", *NETWORK, *TRAINING)[0] == 0
    assert invoke("--mode=search", here, *SEARCH)[0] == 0
    assert invoke("--mode=retrain", here, "--init=supernet")[0] == 0
    for name in ("search/journal.jsonl", "search/best.json"):
        assert (tmp_path / "w" / name).read_bytes() == (workdir / name).read_bytes()
    assert (tmp_path / "w" / "retrain" / "2" / "model.keras").exists()
    first = [lines(d / "retrain" / "1" / "metrics.jsonl")[0]["loss"] for d in (workdir, tmp_path / "w")]
    assert first[0] != first[1]  # from scratch, and from the supernet


def test_a_search_keeps_to_milliseconds_of_a_table_made_elsewhere(done, invoke, tmp_path):
    workdir = tmp_path / "w"
    shutil.copytree(done[0], workdir)
    for earlier in ("search", "retrain"):
        shutil.rmtree(workdir / earlier)
    space = Space(**json.loads((workdir / "experiment.json").read_text())["network"])
    table = LatencyTable(
        machine="a phone", runtime="its own", runtime_version="1", threads=1, input_size="64x64", date="2026-11-23",
        **space.network([0] * space.depth[0]).hyperparameters,
        frame=10.0, blocks={str(block): 9.0 - code for code, block in enumerate(space.blocks)},
    )  # fmt: skip
    latency_file.write(tmp_path / "table.json", table)
    least = table.predict(space.smallest(table.predict))
    options = (f"--workdir={workdir}", f"--latency_table={tmp_path / 'table.json'}", *SEARCH)
    status, _, stderr = invoke("--mode=search", *options, f"--max_latency_ms={least - 1}")
    assert status == 2
    assert stderr.splitlines()[-1].endswith(f"needs {least}")
    assert not (workdir / "search").exists()
    assert invoke("--mode=search", *options, f"--max_latency_ms={least + 2}", "--pick=latency_ms:9999")[0] == 0
    entries = lines(workdir / "search" / "journal.jsonl")
    assert entries
    for entry in entries:
        assert entry["latency_ms"] == table.predict(space.network(entry["codes"])) <= least + 2


def test_a_supernet_is_searched_and_retrained_anew_once_the_folders_are_gone(done, invoke, tmp_path):
    workdir = tmp_path / "w"
    shutil.copytree(done[0], workdir)
    random = ("--mode=search", f"--workdir={workdir}", "--strategy=random")
    status, _, stderr = invoke(*random)
    assert status == 2
    assert f"remove {workdir / 'search'}" in stderr
    shutil.rmtree(workdir / "search")
    assert invoke(*random, *SEARCH, "--max_params=25000", "--search_precision=mixed_bfloat16")[0] == 0
    entries = lines(workdir / "search" / "journal.jsonl")
    assert sum("screened" in entry for entry in entries) == 8
    assert all(entry["psnr"] for entry in json.loads((workdir / "search" / "best.json").read_text()))
    assert {entry["origin"] for entry in entries} == {"random"}
    shutil.rmtree(workdir / "retrain")
    assert invoke("--mode=retrain", f"--workdir={workdir}", "--steps=3", "--batch=3")[0] == 0
    assert lines(workdir / "retrain" / "1" / "metrics.jsonl")[-1]["step"] == 3


def test_train_evaluate_export_upscale(invoke, folder, tmp_path):
    here = f"--workdir={tmp_path / 'w'}"
    status, _, stderr = invoke(
        "--mode=train", "--arch=SCS-SCCC", here, f"--data={folder}", "--depth=2", "--width=16", "--steps=3",
        "--batch=2", "--patch=8",
    )  # fmt: skip
    assert status == 0, stderr
    model = tmp_path / "w" / "train" / "model.keras"
    assert invoke("--mode=train", here)[0] == 0  # the workdir remembers the network

    (tmp_path / "set" / "HR").mkdir(parents=True)
    shutil.copy(folder / "00.png", tmp_path / "set" / "HR")
    status, stdout, _ = invoke("--mode=evaluate", f"--model={model}", f"--data={tmp_path / 'set'},{folder}", here)
    assert status == 0
    report = json.loads((tmp_path / "w" / "evaluate.json").read_text())
    assert {name: entry["images"] for name, entry in report.items()} == {"set": 1, "photographs": 12}
    assert f"{report['set']['psnr']:.4f}" in stdout

    untimed = "--nocard_latency"
    status, stdout, stderr = invoke("--mode=export", f"--model={model}", f"--test_data={folder}", here, untimed)
    assert status == 0, stderr
    card = (tmp_path / "w" / "export" / "MODEL_CARD.md").read_text("utf-8")
    for name, entry in report.items():
        assert f"| {name} | {entry['psnr']:.4f} | {entry['ssim']:.4f} | {entry['images']} |" in card
    assert "Latency" not in card
    assert "model.onnx" in stdout
    assert invoke("--mode=evaluate", f"--model={tmp_path / 'w/export/model.onnx'}", f"--data={folder}", here)[0] == 0
    again = json.loads((tmp_path / "w" / "evaluate.json").read_text())
    assert again["photographs"]["psnr"] == pytest.approx(report["photographs"]["psnr"], abs=1e-3)

    outputs = []
    for name in ("train/model.keras", "export/saved_model/1", "export/model.tflite", "export/model.onnx"):
        target = tmp_path / "out" / f"{name.replace('/', '_')}.png"
        flags = (f"--model={tmp_path / 'w' / name}", f"--input={folder / '03.png'}", f"--output={target}")
        assert invoke("--mode=upscale", *flags)[0] == 0
        with Image.open(target) as image:
            outputs.append(np.asarray(image).astype(int))
    with Image.open(folder / "03.png") as image:
        assert outputs[0].shape == (4 * image.height, 4 * image.width, 3)
    assert max(np.abs(output - outputs[0]).max() for output in outputs) <= 1

    status, _, stderr = invoke(
        "--mode=upscale", f"--model={model}", f"--input={folder}", f"--output={tmp_path / 'all'}"
    )
    assert status == 0, stderr
    assert len(list((tmp_path / "all").iterdir())) == 12

    status, stdout, _ = invoke("--mode=describe", f"--model={model}")
    assert json.loads(stdout)["arch"] == "x4:w16:reduced:r0.25:k3:f3:SCS-SCCC"


def test_a_batch_is_shared_by_what_the_processor_counts_as(tmp_path):
    flags = ("--mode=train", "--arch=SCSCS", "--depth=1", "--width=8", "--patch=8", "--steps=2", "--cpu_devices=2")
    refused = command(*flags, "--batch=3", f"--workdir={tmp_path / 'odd'}")
    assert refused.returncode == 2
    [message] = refused.stderr.splitlines()
    assert "--batch=3" in message and "2 devices" in message
    trained = command(*flags, "--batch=2", f"--workdir={tmp_path / 'even'}")
    assert trained.returncode == 0, trained.stderr
    assert len(lines(tmp_path / "even" / "train" / "metrics.jsonl")) == 2


def test_upscale_keeps_gray_and_transparency(done, invoke, tmp_path):
    workdir, _ = done
    rgb = photograph(np.random.default_rng(0), 20, 24)
    alpha = np.full((20, 24), 255, np.uint8)
    alpha[:, :12] = 0
    kinds = {"gray": rgb[..., 0], "rgba": np.dstack([rgb, alpha])}
    for name, pixels in kinds.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        flags = (f"--input={tmp_path / name}.png", f"--output={tmp_path / name}-x2.png")
        assert invoke("--mode=upscale", f"--model={workdir / 'retrain/1/model.keras'}", *flags)[0] == 0
    with Image.open(tmp_path / "gray-x2.png") as image:
        assert (image.mode, image.size) == ("L", (48, 40))
    with Image.open(tmp_path / "rgba-x2.png") as image:
        assert (image.mode, image.size) == ("RGBA", (48, 40))
        transparency = np.asarray(image)[..., 3]
    assert transparency[:, :20].max() == 0
    assert transparency[:, 28:].min() == 255


def test_import(invoke, shared, tmp_path):
    weights = shared / "reference" / "imdn" / "IMDN_x4.pth"
    assert invoke("--mode=import", f"--input={weights}", f"--workdir={tmp_path}")[0] == 0
    described = json.loads(invoke("--mode=describe", f"--model={tmp_path / 'model.keras'}")[1])
    assert described["params"] == SYSTEMS["imdn"][2]
    data = shared / "data" / "Set5"
    assert invoke("--mode=evaluate", f"--model={tmp_path / 'model.keras'}", f"--data={data}")[0] == 0
    measured = json.loads((tmp_path / "evaluate.json").read_text())["Set5"]
    wanted = {"psnr": pytest.approx(32.2096, abs=5e-3), "ssim": pytest.approx(0.8948, abs=2e-4), "images": 5}
    assert {name: measured[name] for name in wanted} == wanted


def test_describe(invoke):
    status, stdout, _ = invoke("--mode=describe", "--space=dynamic", "--arch=7,1,7,7,5,7")
    described = json.loads(stdout)
    assert status == 0
    assert (described["params"], described["supernet_params"]) == (1159811, 6418014)
    assert described["codes"] == [7, 1, 7, 7, 5, 7]
    assert [set(block) for block in described["blocks"]] == [{"recipe", "params", "macs"}] * 6
    described = json.loads(invoke("--mode=describe", "--space=imdn")[1])
    assert (described["params"], round(described["macs"] / 1e9, 3)) == (SYSTEMS["imdn"][2], IMDN_GMACS)


def test_a_reader_that_leaves_gets_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "srnas_tf.run", "--mode=describe", "--stages=8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


def test_describe_needs_no_tensorflow():
    process = command("--mode=describe", "--space=initial", "--arch=3,4,3,4,4,4")
    assert json.loads(process.stdout)["params"] == 772368
    assert process.stderr == ""


def test_help_names_the_modes_that_there_are(invoke):
    status, stdout, _ = invoke("--help")
    assert status == 0
    assert re.findall(r"^  (\w+): ", stdout, re.MULTILINE) == list(run.MODES)


def test_originals_are_never_overwritten(done, invoke, folder, tmp_path):
    model = f"--model={done[0] / 'retrain/1/model.keras'}"
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    before = {path: path.read_bytes() for path in mine.iterdir()}
    for source, target in ((mine, mine), (mine / "00.png", mine / "00.png"), (mine / "00.png", mine)):
        status, _, stderr = invoke("--mode=upscale", model, f"--input={source}", f"--output={target}")
        assert status == 2
        assert "overwrite" in stderr
    (mine / "export").mkdir()
    (mine / "export" / "thesis.txt").write_text("precious")
    status, _, stderr = invoke("--mode=export", model, f"--workdir={mine}", f"--test_data={folder}")
    assert status == 2
    assert "is no export" in stderr
    assert (mine / "export" / "thesis.txt").read_text() == "precious"
    shutil.rmtree(mine / "export")
    assert {path: path.read_bytes() for path in mine.iterdir()} == before


def test_embedded_and_other_photographs_are_measured_apart(done, invoke, folder, tmp_path):
    model = f"--model={done[0] / 'retrain/1/model.keras'}"
    assert invoke("--mode=evaluate", model, f"--data=photos,{folder}", f"--workdir={tmp_path}")[0] == 0
    report = json.loads((tmp_path / "evaluate.json").read_text())
    assert {name: entry["images"] for name, entry in report.items()} == {"photos": 2, "photographs": 12}


def test_a_tilde_is_home(invoke, tmp_path, monkeypatch, folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    status, _, stderr = invoke("--mode=supernet", "--workdir=~/work", f"--data={folder}", *NETWORK, *TRAINING)
    assert status == 0, stderr
    assert (tmp_path / "work" / "supernet" / "supernet.keras").exists()


STAGES = (
    "supernet/metrics.jsonl",
    "supernet/checkpoints/ckpt-2.index",
    "search/journal.jsonl",
    "retrain/1/metrics.jsonl",
    ".export.partial",
)
"""What the pipeline writes first in each of its parts."""


def test_a_pipeline_that_is_killed_in_each_part_comes_to_the_same_end(done, folder, tmp_path):
    """SIGKILL, and once SIGTERM. `tests/tools/kill.py` does the like at random moments."""
    line = ["--mode=pipeline", f"--workdir={tmp_path / 'work'}", f"--data={folder}", *TINY]
    line = [sys.executable, "-m", "srnas_tf.run", *line]
    for number, stage in zip([signal.SIGTERM, *[signal.SIGKILL] * 4], STAGES, strict=True):
        process = kill.start(line)
        deadline = time.monotonic() + 120
        while not (tmp_path / "work" / stage).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None, f"ended before {stage}"
        process.send_signal(number)
        _, stderr = process.communicate()
        if number == signal.SIGTERM:
            assert process.returncode == 143
            assert stderr.splitlines()[-1] == "srnas_tf: stopped by SIGTERM; the same command continues from there"
            assert list((tmp_path / "work" / "supernet" / "checkpoints").glob("*.index"))
            assert not (tmp_path / "work" / lock.NAME).exists()
        else:
            assert process.returncode == -number
    assert command(*line[3:]).returncode == 0
    for mode in [mode for mode, victim in kill.MODES.items() if mode != "rank" and not victim.home]:
        for path in kill.results(mode, done[0]):
            assert kill.same(done[0] / path, tmp_path / "work" / path), path


def test_broken_images(invoke, tmp_path, folder):
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    (mixed / "05.png").write_bytes(b"broken")
    data = (f"--data={mixed}", f"--val_data={folder}")
    process = command("--mode=supernet", f"--workdir={tmp_path / 'w'}", *data, *NETWORK, *TRAINING)
    assert process.returncode == 0
    assert process.stderr.count("05.png") == 1
    for path in mixed.iterdir():
        path.write_bytes(b"broken")
    status, _, stderr = invoke("--mode=supernet", f"--workdir={tmp_path / 'v'}", *data, *NETWORK, *TRAINING)
    assert status == 2
    assert "none of the 12 images" in stderr.splitlines()[-1]


def test_a_workdir_of_another_experiment_is_refused(done, invoke, folder, tmp_path):
    workdir, _ = done
    before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    changed = ("--width=24", "--data=photos", "--steps=9", "--seed=1", "--max_params=90000", "--space=initial")
    for flag in changed:
        status, _, stderr = invoke("--mode=pipeline", f"--workdir={workdir}", flag)
        assert status == 2
        assert f"{flag.split('=')[0]}=" in stderr
        assert str(workdir / "experiment.json") in stderr
    assert {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()} == before

    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear")
    status, _, stderr = invoke("--mode=supernet", f"--workdir={tmp_path / 'letters'}", f"--data={folder}", "--patch=8")
    assert status == 2
    assert "not empty" in stderr
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["dear.txt"]
