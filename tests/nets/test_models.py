"""The networks that come with the package: what their cards say of them is so."""

import io
import re
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conftest import photograph
from PIL import Image

from srnas_tf import models, nets
from srnas_tf.data.sources import DataSettings, load_pairs
from srnas_tf.errors import UserError
from srnas_tf.freeze.fidelity import own_tint
from srnas_tf.nets import files
from srnas_tf.train.evaluate import of_network, scores

SCALES = [int(name[1:]) for name in models.names() if name[1:].isdigit()]


@pytest.mark.parametrize("name", models.names())
def test_cards_tell_what_the_files_hold(name):
    path = models.named(name)
    network = files.load(path)
    card = path.with_suffix(".md").read_text("utf-8")
    assert f"x{network.scale}" == name.removesuffix("-photo")
    assert str(network.network) in card
    assert str(network.count_params()) in card
    assert network.count_params() <= 150_000
    assert path.stat().st_size < 2**20
    assert "research" in card
    assert f"{network.provenance['steps']} steps" in card
    assert "/" not in network.provenance["data"]
    assert "research" in network.provenance["use"]
    measured = scores(of_network(network), load_pairs(DataSettings().paths("test"), network.scale), network.scale)
    said = re.search(r"embedded photographs \| ([\d.]+) \| ([\d.]+)", card)
    assert (f"{measured.psnr:.2f}", f"{measured.ssim:.4f}") == said.groups()
    off = own_tint(of_network(network), network.scale, (32, 32))
    assert f"up to {off} levels of 255 off in the corners" in card


@pytest.mark.parametrize("scale", SCALES)
def test_photographs_are_enlarged_without_naming_a_model(invoke, tmp_path, scale):
    Image.fromarray(photograph(np.random.default_rng(0), 20, 24)).save(tmp_path / "small.png")
    paths = [f"--input={tmp_path / 'small.png'}", f"--output={tmp_path / 'large.png'}"]
    status, _, stderr = invoke("--mode=upscale", *paths, *([] if scale == 4 else [f"--scale={scale}"]))
    assert status == 0, stderr
    with Image.open(tmp_path / "small.png") as small, Image.open(tmp_path / "large.png") as large:
        image, enlarged = np.asarray(small, np.float32) / 255, np.asarray(large)
    plain = keras.ops.convert_to_numpy(files.load(models.path(scale))(image[None]))[0]
    assert np.abs(np.clip(plain, 0, 1) * 255 - enlarged).max() < 0.51


def test_results_that_nobody_named_lie_beside_what_they_were_made_of(invoke, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    for name in ("a.png", "b.jpg", f"{'c' * 251}.png"):
        Image.fromarray(photograph(np.random.default_rng(0), 12, 10)).save(name)
    for given, made in (
        (["--input=a.png"], "a-x2.png"),
        (["--input=b.jpg"], "b-x2.png"),
        (["--input=b.jpg", "--format=webp"], "b-x2.webp"),
        (["--input=."], "../photos-x2/b.jpg"),
    ):
        status, _, stderr = invoke("--mode=upscale", "--scale=2", *given)
        assert status == 0, stderr
        with Image.open(made) as image:
            assert image.size == (20, 24)
    before = Path("a-x2.png").read_bytes()
    Image.new("RGB", (8, 8)).save("a.webp")
    for given, says in ((["--input=a.webp"], "a-x2.png: is there already"), ([f"--input={'c' * 251}.png"], "too long")):
        status, _, stderr = invoke("--mode=upscale", "--scale=2", *given)
        assert status == 2
        assert says in stderr
    assert Path("a-x2.png").read_bytes() == before


def test_a_scale_that_the_package_does_not_have(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    (tmp_path / "x4.keras").touch()
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    paths = [f"--input={tmp_path / 'small.png'}", f"--output={tmp_path / 'large.png'}"]
    for mode in (["--mode=upscale", *paths], ["--mode=demo", f"--workdir={tmp_path / 'w'}"]):
        status, _, stderr = invoke(*mode, "--scale=2")
        assert status == 2
        assert "--scale=2: the package has a network for 4" in stderr
        assert "--model" in stderr
    assert not (tmp_path / "w").exists()
    with pytest.raises(UserError, match="--scale=2"):
        models.path(2)


def test_a_model_has_a_scale_of_its_own(invoke, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    paths = [f"--input={tmp_path / 'small.png'}", f"--output={tmp_path / 'large.png'}", f"--model={models.onnx(4)}"]
    status, _, stderr = invoke("--mode=upscale", "--scale=2", *paths)
    assert status == 2
    assert "enlarges 4 times; drop it" in stderr
    assert not (tmp_path / "large.png").exists()
    assert invoke("--mode=upscale", "--scale=4", *paths)[0] == 0
    with Image.open(tmp_path / "large.png") as image:
        assert image.size == (32, 32)


def _with_earlier_names(path: Path) -> None:
    """The file as it was written when its layers outside the blocks had other names."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "a") as file:
        for now, earlier in (("conv_first", "head"), ("conv_after_body", "smooth")):
            file.move(now, earlier)
    members["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("stem", ["", "strided:"])
def test_files_with_earlier_names_of_layers_are_read(tmp_path, stem):
    network = nets.SRNet(f"x2:w8:{stem}imdn:r0.25:k3:f1:SCSCS")
    files.save(network, tmp_path / "model.keras")
    _with_earlier_names(tmp_path / "model.keras")
    read = files.load(tmp_path / "model.keras")
    for ours, theirs in zip(network.get_weights(), read.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
