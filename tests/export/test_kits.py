"""The kits of export/, each run as its reader would, in a process without this package and TensorFlow."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image

from srnas_tf import metrics
from srnas_tf.train.evaluate import of_network

KITS = {"onnxruntime": "model.onnx", "litert": "model.tflite"}

RUN = """
import runpy, sys
sys.argv, sys.path[0] = sys.argv[1:], sys.argv[1].rpartition("/")[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    assert not {"srnas_tf", "tensorflow", "keras"} & set(sys.modules)
"""


def upscale(kit: str | Path, *arguments) -> subprocess.CompletedProcess:
    """Runs a kit's program: one of KITS, or a folder that is a copy of one."""
    line = [sys.executable, "-c", RUN, str(ROOT / "export" / kit / "upscale.py"), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kit", KITS)
def test_kit_enlarges_a_folder_in_parts(frozen, tmp_path, kit):
    model, _, folder = frozen
    (tmp_path / "in").mkdir()
    lr = photograph(np.random.default_rng(3), 70, 90)
    alpha = np.full((70, 90, 1), 200, np.uint8)
    for name, pixels in (("colour.png", lr), ("gray.png", lr[..., 0]), ("glass.png", np.dstack([lr, alpha]))):
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    done = upscale(kit, folder / KITS[kit], tmp_path / "in", tmp_path / "out", "--tile=40")
    assert done.returncode == 0, done.stderr
    assert "3/3" in done.stderr
    results = {}
    for name, mode in (("colour", "RGB"), ("gray", "L"), ("glass", "RGBA")):
        with Image.open(tmp_path / "out" / f"{name}.png") as image:
            assert (image.mode, image.size) == (mode, (180, 140))
            results[name] = np.asarray(image).astype(int)
    expected = metrics.to_uint8(of_network(model)(lr))
    assert np.abs(results["colour"] - expected).max() <= 1  # in stages: parts give what the whole gives
    assert np.abs(results["glass"][..., :3] - expected).max() <= 1
    assert set(results["glass"][..., 3].ravel()) == {200}


@pytest.mark.parametrize("kit", KITS)
def test_kit_says_what_is_wrong_in_one_line(frozen, tmp_path, kit):
    _, _, folder = frozen
    (tmp_path / "text.png").write_text("no image")
    photo = tmp_path / "a.png"
    Image.fromarray(photograph(np.random.default_rng(3), 20, 20)).save(photo)
    Image.fromarray(photograph(np.random.default_rng(3), 20, 20)).convert("P").save(tmp_path / "p.png")
    content = (tmp_path / "p.png").read_bytes()
    start = content.index(b"PLTE") - 4
    (tmp_path / "p.png").write_bytes(
        content[:start] + content[start + 12 + int.from_bytes(content[start : start + 4]) :]
    )
    for arguments, words in (
        ((folder / KITS[kit], tmp_path / "text.png", tmp_path / "b.png"), "text.png: not an image"),
        ((folder / KITS[kit], tmp_path / "p.png", tmp_path / "b.png"), "palette"),
        ((folder / "none.onnx", photo, tmp_path / "b.png"), "no such model"),
        ((folder / KITS[kit], photo, photo), "overwrite"),
        ((photo, tmp_path / "text.png"), "is there already"),
    ):
        done = upscale(kit, *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert (tmp_path / "text.png").read_text() == "no image"
        assert len(done.stderr.strip().splitlines()) == 1 or "INFO" in done.stderr
