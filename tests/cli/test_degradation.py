"""`--degradation` and pairs on the command line: measured, trained, described, or refused in one line."""

import json

import numpy as np
import pytest
from PIL import Image
from test_bad_flags import refused

from srnas_tf import model_file, nets
from srnas_tf.arch import imdn
from srnas_tf.data import images, imresize
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize

NETWORK = ("--arch=SCSCS", "--ending=imdn", "--width=16", "--depth=1", "--scale=2")
RECIPE = ("--steps=2", "--batch=2", "--patch=8", "--degradation=resize=area|nearest,jpeg=30:90@0.7")
UNDERSTOOD = "resize=area|nearest,jpeg=30:90/420@0.7"


@pytest.fixture
def model(tmp_path):
    network = nets.SRNet(imdn(scale=2, width=16, depth=1))
    initialize(network, 0, "interpolation")
    files.save(network, tmp_path / "model" / "model.keras")
    return tmp_path / "model" / "model.keras"


def test_a_table_of_degradations(invoke, photographs, model, tmp_path):
    line = ("--mode=evaluate", f"--model={model}", f"--data={photographs}", f"--workdir={tmp_path / 'w'}")
    status, plain, _ = invoke(*line)
    assert status == 0 and "ahead" not in plain
    before = json.loads((tmp_path / "w" / "evaluate.json").read_text())
    assert list(before["photographs"]) == ["psnr", "ssim", "images"]

    status, table, _ = invoke(*line, "--degradation=bicubic; area,jpeg=50 ;photo")
    assert status == 0
    rows = [row.split() for row in table.splitlines() if row.startswith("photographs")]
    assert [row[:2] for row in rows] == [["photographs", text] for text in ("bicubic", "area,jpeg=50", "photo")]
    found = json.loads((tmp_path / "w" / "evaluate.json").read_text())
    assert list(found) == ["photographs, bicubic", "photographs, area,jpeg=50", "photographs, photo"]
    assert found["photographs, bicubic"]["psnr"] == before["photographs"]["psnr"]
    lossy = found["photographs, area,jpeg=50"]
    assert lossy["degradation"] == "resize=area,jpeg=50/420"
    assert lossy["set"] == "photographs"
    assert lossy["bicubic"] < found["photographs, bicubic"]["bicubic"]
    assert 0 <= lossy["worse"] <= lossy["images"] == 12

    invoke(*line, "--degradation=photo")  # a fixed set, drawn once from the seed
    assert json.loads((tmp_path / "w" / "evaluate.json").read_text())["photographs"] == found["photographs, photo"]
    invoke(*line, "--degradation=photo", "--seed=1")
    other = json.loads((tmp_path / "w" / "evaluate.json").read_text())["photographs"]
    assert other["bicubic"] != found["photographs, photo"]["bicubic"]

    status, _, stderr = invoke("--mode=report", f"--workdir={tmp_path / 'w'}")
    assert status == 0, stderr
    page = (tmp_path / "w" / "report.html").read_text()
    assert "By kind of low-resolution images" in page and other["degradation"] in page


def test_pairs_are_measured(invoke, photographs, model, tmp_path):
    (tmp_path / "low").mkdir()
    for path in images.find(photographs):
        lr = imresize.pair(images.load(path), 2)[0]
        Image.fromarray(lr).save(tmp_path / "low" / f"{path.stem}x2.png")
    line = ("--mode=evaluate", f"--model={model}", f"--data={photographs}", f"--workdir={tmp_path / 'w'}")
    psnrs = []
    for more in ((), (f"--lr_data={tmp_path / 'low'}",)):
        assert invoke(*line, *more)[0] == 0
        psnrs.append(json.loads((tmp_path / "w" / "evaluate.json").read_text())["photographs"]["psnr"])
    assert psnrs[0] == psnrs[1]


def test_a_training_goes_by_its_degradation(invoke, photographs, tmp_path):
    work = tmp_path / "w"
    line = ("--mode=train", f"--data={photographs}", f"--workdir={work}", *NETWORK)
    status, _, stderr = invoke(*line, *RECIPE)
    assert status == 0, stderr
    said = model_file.read(work / "train" / "model.keras").provenance
    assert said["low_resolution"] == UNDERSTOOD
    assert json.loads((work / "experiment.json").read_text())["data"]["degradation"] == UNDERSTOOD
    status, _, stderr = invoke(*line, *RECIPE[:-1], "--degradation=photo")
    assert status == 2
    assert "--degradation=" in stderr and "contradicts" in stderr
    assert invoke(*line, *RECIPE)[0] == 0
    invoke("--mode=report", f"--workdir={work}")
    assert UNDERSTOOD in (work / "report.html").read_text()


def test_a_workdir_is_named_after_its_degradation(invoke, photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for degradation in ("photo", "area,jpeg=50", "bicubic"):
        flags = ("--patch=8", "--steps=1", "--net=bicubic", "--scale=2", f"--data={photographs}")
        assert invoke("--mode=train", *flags, f"--degradation={degradation}")[0] == 0
    names = [path.name.split("photographs")[1] for path in sorted((tmp_path / "runs").iterdir())]
    assert sorted(names) == ["-627d8571-seed0", "-photo-seed0", "-seed0"]


def test_describe_prints_what_was_understood(invoke):
    status, stdout, _ = invoke("--mode=describe", "--net=carn", "--degradation=jpeg=.5e2@.3,noise=1:3")
    assert status == 0
    assert json.loads(stdout)["degradation"] == "resize=bicubic,jpeg=50/420@0.3,noise=1:3"
    photo = json.loads(invoke("--mode=describe", "--net=carn", "--degradation=photo")[1])["degradation"]
    assert "jpeg=40:95" in photo
    assert "degradation" not in json.loads(invoke("--mode=describe", "--net=carn")[1])


@pytest.mark.parametrize(
    "degradation",
    [
        "sharpen=3",
        "blur=3:1",
        "noise=3@1.2",
        "resize=area,resize=bicubic",
        "jpeg=0",
        "jpeg=40:101",
        "jpeg=50;noise=3",
        "",
    ],
)
def test_mistakes_are_refused(invoke, photographs, tmp_path, degradation):
    flags = (f"--data={photographs}", f"--workdir={tmp_path / 'w'}", f"--degradation={degradation}")
    assert "--degradation" in refused(invoke, "--mode=train", *NETWORK, *flags)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("net", ["srcnn", "vdsr", "drcn", "drrn", "memnet"])
def test_networks_that_enlarge_first_are_for_bicubic(invoke, photographs, tmp_path, net):
    flags = (f"--data={photographs}", f"--workdir={tmp_path / 'w'}", "--degradation=photo", "--scale=2")
    assert f"{net} enlarges by bicubic before its first layer" in refused(
        invoke, "--mode=train", f"--net={net}", *flags
    )
    assert not (tmp_path / "w").exists()


def test_pairs_that_do_not_fit_are_refused(invoke, photographs, tmp_path):
    low = tmp_path / "low"
    low.mkdir()
    line = ("--mode=train", *NETWORK, f"--data={photographs}", f"--workdir={tmp_path / 'w'}", "--patch=8")
    assert "low: holds no images" in refused(invoke, *line, f"--lr_data={low}")
    for path in images.find(photographs):
        Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(low / path.name)
    said = refused(invoke, *line, f"--lr_data={low}")
    assert "is 5 x 5 pixels, and" in said and "not 2 times" in said
    assert "is --data itself" in refused(invoke, *line, f"--lr_data={photographs}")
    assert not (tmp_path / "w").exists()


def test_evaluate_refuses_too(invoke, photographs, model, tmp_path):
    line = ("--mode=evaluate", f"--model={model}", f"--data={photographs}", f"--workdir={tmp_path / 'w'}")
    assert "give each once" in refused(invoke, *line, "--degradation=photo;photo")
    assert "give each once" in refused(invoke, *line, "--degradation=;")
    for other in ("--degradation=photo", f"--lr_data={tmp_path}"):
        assert "--record" in refused(invoke, *line, other, f"--record={tmp_path / 'r.json'}")
    assert not (tmp_path / "w").exists()
