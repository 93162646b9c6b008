"""What goes wrong in a kit is one line and exit status 2, and no file that was there is harmed by it."""

import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image
from test_kits import RUN, upscale

KIT = "onnxruntime"  # what is tried here is the same file in both
RGB = photograph(np.random.default_rng(3), 24, 30)


@pytest.fixture
def model():
    return ROOT / "export" / KIT / "x2" / "model.onnx"


def refused(done: subprocess.CompletedProcess, words: str, status: int = 2) -> None:
    assert done.returncode == status, done.stderr
    [line] = done.stderr.strip().splitlines()
    assert words in line


def test_a_result_that_nobody_named_replaces_nothing(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    Image.fromarray(RGB[::-1]).save(tmp_path / "a.jpg")
    assert upscale(KIT, tmp_path / "a.png", "--scale=2").returncode == 0
    made = (tmp_path / "a-x2.png").read_bytes()
    refused(upscale(KIT, tmp_path / "a.jpg", "--scale=2"), "a-x2.png: is there already")
    assert (tmp_path / "a-x2.png").read_bytes() == made


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, model):
    Image.fromarray(np.dstack([RGB, RGB[..., :1]])).save(tmp_path / "a.png")
    refused(upscale(KIT, model, tmp_path / "a.png", tmp_path / "b.jpg"), "JPEG has no transparency; choose .png")
    (tmp_path / "file").write_text("in the way")
    refused(upscale(KIT, model, tmp_path / "a.png", tmp_path / "file" / "b.png"), "cannot be written")
    refused(upscale(KIT, model, tmp_path / "a.png", tmp_path / f"{'b' * 260}.png"), "cannot be written")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "file"}


def test_a_full_disk_leaves_what_was_there(tmp_path, model):
    """A limit on the size of files stands in for it."""
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"of some worth")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    line = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{RUN}"]
    line += [str(ROOT / "export" / KIT / "upscale.py"), str(model), str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, preexec_fn=limit)
    refused(done, "b.png: cannot be written (File too large)", status=1)
    assert (tmp_path / "b.png").read_bytes() == b"of some worth"
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_one_file_does_not_stop_a_folder(tmp_path, model):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png", f"{'写' * 83}.png", os.fsdecode(b"caf\xe9.png")):
        Image.fromarray(RGB).save(folder / name)
    (folder / "._a.png").write_bytes(b"a fork")
    (folder / "c.jp2").write_bytes(b"?")
    (folder / "d.png").write_bytes(b"no image")
    done = upscale(KIT, model, folder, tmp_path / "out", "--quality=90", "--format=jpg")
    assert done.returncode == 2
    assert "1 image (c.jp2) of a kind that is not read" in done.stderr
    assert "1 sub-folder (sub): give --recursive" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("upscale: 3 of 4 images enlarged; ")
    assert len(list((tmp_path / "out").iterdir())) == 3
    (folder / "d.png").unlink()
    done = upscale(KIT, model, folder, tmp_path / "all", "--recursive")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "all" / "sub" / "b.png").exists()
    shutil.rmtree(folder)
    refused(upscale(KIT, model, folder, tmp_path / "all"), "no such image")


def test_flags_are_checked(tmp_path, model):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    for flag, words in (
        ("--quality=101", "--quality=101"),
        ("--format=gif", "invalid choice"),
        ("--tile=-1", "--tile=-1"),
        ("--max_megapixels=0", "--max_megapixels=0"),
        ("--max_megapixels=0.0001", "give --max_megapixels"),
    ):
        done = upscale(KIT, model, tmp_path / "a.png", tmp_path / "b.png", flag)
        assert done.returncode == 2
        assert words in done.stderr
