"""Flags: every flagfile describes what it says, and every mistake is one line."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT
from figures import ROWS

from srnas_tf import models

FLAGFILES = sorted((ROOT / "flags").glob("*.flags"))


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda path: path.stem)
def test_flagfiles_say_what_they_describe(invoke, path):
    text = path.read_text("utf-8")
    assert text.startswith("# python -m srnas_tf.run --mode=")
    assert f"--flagfile=flags/{path.name}" in text.splitlines()[0]
    status, stdout, stderr = invoke("--mode=describe", f"--flagfile={path}")
    assert status == 0, stderr
    described = json.loads(stdout)
    if path.stem.startswith("table"):
        [(count, whole)] = re.findall(r"^# (\d+) parameters( of the whole supernet)?\.", text, re.MULTILINE)
        assert described["supernet_params" if whole else "params"] == int(count)


def test_every_row_of_the_thesis_has_a_flagfile():
    counts = [int(n) for path in FLAGFILES for n in re.findall(r"^# (\d+) parameters", path.read_text(), re.MULTILINE)]
    assert {params for _, _, params in ROWS} - {1172116} | {14104962} <= set(counts)


MISTAKES = {
    "no mode": ([], "--mode"),
    "unknown mode": (["--mode=fly"], "mode"),
    "unknown flag": (["--mode=describe", "--colour=red"], "colour"),
    "stray argument": (["--mode=describe", "photos"], "photos"),
    "not a number": (["--mode=describe", "--depth=six"], "depth"),
    "missing flagfile": (["--flagfile=nowhere.flags"], "nowhere.flags"),
    "unknown code": (["--mode=describe", "--arch=9,0,0,0,0,0"], "code 9"),
    "code outside": (["--mode=describe", "--space=initial", "--arch=5,0,0,0,0,0"], "0 to 4"),
    "too few codes": (["--mode=describe", "--arch=1,2"], "--depth=6"),
    "unknown letter": (["--mode=describe", "--arch=SXS"], "'X'"),
    "sharing": (["--mode=describe", "--sharing=ends", "--ending=full"], "--ending=reduced"),
    "missing folder": (["--mode=supernet", "--data=nowhere"], "nowhere"),
    "bad steps": (["--mode=supernet", "--steps=0"], "--steps"),
    "no arch": (["--mode=train"], "--arch"),
    "net and arch": (["--mode=describe", "--net=carn", "--arch=1,2,3"], "--net=carn"),
    "net and depth": (["--mode=train", "--net=imdn", "--depth=4"], "--net=imdn"),
    "unknown net": (["--mode=train", "--net=resnet"], "resnet"),
    "a page of no ONNX file": (["--mode=demo", f"--model={__file__}"], "--mode=export"),
    "a port that is none": (["--mode=demo", "--workdir=w", "--port=65536"], "--port=65536"),
    "no host": (["--mode=demo", "--workdir=w", "--host="], "--host"),
    "no model": (["--mode=evaluate"], "--model"),
    "missing model": (["--mode=upscale", "--model=no.keras", "--input=a.png", "--output=b.png"], "no.keras"),
    "search first": (["--mode=search", "--workdir=empty"], "--mode=supernet"),
    "rank first": (["--mode=rank", "--workdir=empty"], "--mode=supernet"),
    "impossible budget": (["--mode=pipeline", "--max_params=1000"], "needs"),
    "small images": (["--mode=supernet", "--patch=2000"], "--patch"),
    "text and flag": (["--mode=describe", "--arch=x4:w64:imdn:SCSCS", "--width=16"], "--width=16"),
    "text and stem": (["--mode=describe", "--arch=x4:w64:imdn:SCSCS", "--stem=light"], "--stem=light"),
    "endless memory": (["--mode=supernet", "--memory_gb=inf"], "--memory_gb"),
    "bad retraining": (["--mode=pipeline", "--retrain_steps=-1"], "--retrain_steps"),
    "no size": (["--mode=benchmark", "--input_size=128"], "--input_size=128"),
    "negative threads": (["--mode=benchmark", "--threads=-1"], "--threads=-1"),
    "unknown runtime": (["--mode=benchmark", "--runtime=abacus"], "runtime"),
    "no rounds": (["--mode=benchmark", "--rounds=0"], "--rounds=0"),
    "one network": (["--mode=benchmark", "--net=carn"], "--net"),
    "missing table": (["--mode=benchmark", "--latency_table=no.json"], "no.json"),
    "a folder in the way": (["--mode=benchmark", f"--blocks_to={ROOT}"], "--blocks_to"),
    "workdir is a file": (["--mode=supernet", f"--workdir={__file__}", "--width=16"], "--workdir"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(invoke, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, named = MISTAKES[case]
    status, stdout, stderr = invoke(*arguments)
    assert (status, stdout) == (2, "")
    [message] = stderr.splitlines()
    assert message.startswith("srnas_tf: ")
    assert named in message
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_a_flagfile_that_is_no_text(invoke, tmp_path):
    (tmp_path / "photo.flags").write_bytes(bytes(range(128, 256)))
    status, _, stderr = invoke(f"--flagfile={tmp_path / 'photo.flags'}")
    assert status == 2
    assert len(stderr.splitlines()) == 1


def test_nothing_is_written_into_the_package(invoke, photographs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    packaged = Path(models.__file__).with_name("x2.keras")
    status, _, stderr = invoke("--mode=evaluate", f"--model={packaged}", f"--data={photographs}")
    assert (status, stderr) == (0, "workdir: runs/x2\n")
    assert (tmp_path / "runs" / "x2" / "evaluate.json").exists()
    assert not packaged.with_name("evaluate.json").exists()
    (tmp_path / "link").symlink_to(packaged)
    assert models.is_packaged(tmp_path / "link")
    assert models.is_packaged(packaged.parent / "x4" / "model.onnx")
    assert not models.is_packaged(tmp_path / "x4" / "model.onnx")
