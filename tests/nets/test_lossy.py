"""Images that were compressed with loss are enlarged by a network of their own, where there is one."""

import shutil

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image
from test_kits import KITS, upscale

import srnas_tf
from srnas_tf import models
from srnas_tf.kit import networks, reading
from srnas_tf.nets.files import save

PIXELS = photograph(np.random.default_rng(5), 40, 50)

FILES = {
    "a.png": ({}, False),
    "a.jpg": ({"quality": 90}, True),
    "a.bmp": ({}, False),
    "a.tif": ({"compression": "tiff_lzw"}, False),
    "jpeg.tif": ({"compression": "jpeg"}, True),
    "a.webp": ({"lossless": True}, False),
    "lossy.webp": ({"quality": 80}, True),
    "described.webp": ({"quality": 80, "exif": Image.Exif().tobytes(), "icc_profile": b"some"}, True),
    "kept.webp": ({"lossless": True, "icc_profile": b"odd"}, False),
    "a.avif": ({"quality": 80}, True),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_tells_whether_something_was_lost(tmp_path, name):
    options, lossy = FILES[name]
    Image.fromarray(PIXELS).save(tmp_path / name, **options)
    assert reading.read(tmp_path / name).lossy == lossy
    shutil.copy(tmp_path / name, tmp_path / "misnamed.png")
    assert reading.read(tmp_path / "misnamed.png").lossy == lossy


def test_the_name_of_the_network():
    assert networks.name_for("x4", True, ["x2", "x4", "x4-photo"]) == "x4-photo"
    assert networks.name_for("x4", False, ["x2", "x4", "x4-photo"]) == "x4"
    assert networks.name_for("x2", True, ["x2", "x4", "x4-photo"]) == "x2"


@pytest.fixture
def package(frozen, tmp_path, monkeypatch):
    """A package of the network x2, and of another one for images that lost something."""
    network, _, folder = frozen
    home = tmp_path / "package"
    shutil.copytree(models.path(2).parent / "x2", home / "x2")
    shutil.copytree(folder, home / "x2-photo")
    shutil.copy(models.path(2), home)
    save(network, home / "x2-photo.keras")
    monkeypatch.setattr(models, "_FOLDER", home)
    return home


@pytest.fixture
def photographs(tmp_path):
    """Three images of the same colours, two of them from lossy files."""
    home = tmp_path / "photos"
    home.mkdir()
    Image.fromarray(PIXELS).save(home / "a.jpg", quality=95)
    with Image.open(home / "a.jpg") as image:
        image.save(home / "b.png")
    shutil.copy(home / "a.jpg", home / "c.jpg")
    return home


def _pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("runtime", [(), ("--runtime=onnxruntime",)])
def test_each_image_of_a_folder_has_the_network_that_suits_it(invoke, package, photographs, tmp_path, caplog, runtime):
    results = {}
    for name, more in (("chosen", ()), ("usual", ("--model=x2",)), ("photo", ("--model=x2-photo",))):
        given = ("--scale=2", "--format=png", *more, *runtime)
        status, _, stderr = invoke("--mode=upscale", f"--input={photographs}", f"--output={tmp_path / name}", *given)
        assert status == 0, stderr
        results[name] = [_pixels(tmp_path / name / f"{each}.png") for each in "abc"]
        assert caplog.text.count("x2-photo enlarges such files") == (name == "chosen")
        caplog.clear()
    for chosen, expected in zip(results["chosen"], ("photo", "usual", "photo"), strict=True):
        assert np.abs(chosen - results[expected][0]).max() <= 1
    assert np.abs(results["photo"][0] - results["usual"][0]).max() > 3


def test_from_python(package, photographs):
    with Image.open(photographs / "a.jpg") as lossy, Image.open(photographs / "b.png") as kept:
        chosen, usual = srnas_tf.upscale(lossy, scale=2), srnas_tf.upscale(kept, scale=2)
        assert chosen != usual
        assert chosen == srnas_tf.upscale(kept, model=package / "x2-photo.keras")
        assert srnas_tf.upscale(lossy, model="x2") == usual


@pytest.mark.parametrize("kit", KITS)
def test_kits(photographs, tmp_path, kit):
    shutil.copytree(ROOT / "export" / kit, tmp_path / "kit", ignore=shutil.ignore_patterns("__pycache__", "x3", "x4*"))
    results = {}
    for name, more in (("chosen", ["--scale=2"]), ("usual", ["--model=x2"]), ("photo", ["--model=x2-photo"])):
        done = upscale(tmp_path / "kit", photographs, tmp_path / name, "--format=png", *more)
        assert done.returncode == 0, done.stderr
        results[name] = [_pixels(tmp_path / name / f"{each}.png") for each in "abc"]
        assert done.stderr.count("x2-photo enlarges such files") == (name == "chosen")
    for chosen, expected in zip(results["chosen"], ("photo", "usual", "photo"), strict=True):
        assert np.abs(chosen - results[expected][0]).max() <= 1
    for given, says in ((["--model=x9"], "invalid choice"), (["--model=x2", "--scale=2"], "has a scale of its own")):
        done = upscale(tmp_path / "kit", photographs, tmp_path / "other", *given)
        assert done.returncode == 2
        assert says in done.stderr
    assert not (tmp_path / "other").exists()
