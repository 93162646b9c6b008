"""What the kits come with: it is the network in the package, and the kits take it unless told otherwise."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import skimage
from conftest import ROOT
from PIL import Image
from test_kits import KITS, upscale
from test_models import SCALES

from srnas_tf import metrics, model_file, models
from srnas_tf.freeze.export import FORMS, upscaler_of
from srnas_tf.freeze.fidelity import tint
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.nets import files
from srnas_tf.train.evaluate import of_network

INT8 = {"litert": ("model_int8.tflite",)}
"""By kit."""

SHIPPED = [(kit, name) for kit in KITS for name in models.names()]


def folder(kit: str, name: str):
    return ROOT / "export" / kit / name


def cat() -> np.ndarray:
    """A photograph that no ranges were learnt of."""
    return skimage.data.chelsea()[60:140, 120:230]


@pytest.fixture(scope="module")
def networks():
    return {name: of_network(files.load(models.named(name))) for name in models.names()}


@pytest.mark.parametrize("kit", KITS)
def test_what_kits_share_with_the_package_is_there_once(kit):
    assert (ROOT / "export" / kit / "kit").samefile(ROOT / "srnas_tf" / "kit")


@pytest.mark.parametrize(("kit", "network"), SHIPPED)
def test_is_what_was_made_of_the_network_in_the_package(kit, network):
    home, source = folder(kit, network), models.named(network)
    report = json.loads((home / "export.json").read_text("utf-8"))
    for entry in report.values():
        assert entry["model_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest(), f"{source}: run make kits"
        for name, digest in entry["files"].items():
            assert digest == hashlib.sha256((home / name).read_bytes()).hexdigest(), f"{home / name}: run make kits"
    assert {KITS[kit], *INT8.get(kit, ())} <= report.keys()
    assert "model_int8.onnx" not in report  # of depthwise convolutions it is no faster
    made = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert made - {"export.json", "MODEL_CARD.md"} == {name for entry in report.values() for name in entry["files"]}
    assert sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) < 2 * 2**20


@pytest.mark.parametrize(("kit", "network"), SHIPPED)
def test_the_card_says_what_it_may_be_used_for(kit, network):
    described = model_file.read(models.named(network))
    card = (folder(kit, network) / "MODEL_CARD.md").read_text("utf-8")
    assert described.network in card
    assert "research" in described.provenance["use"]
    assert described.provenance["use"] in card
    assert ("Its attention" in card) == ("bare" not in described.network)


@pytest.mark.parametrize(("kit", "network"), SHIPPED)
def test_enlarges_as_the_network_does(networks, kit, network):
    forms = {form.file: form for form in FORMS}
    expected = networks[network](cat())
    for name in json.loads((folder(kit, network) / "export.json").read_text("utf-8")):
        made = upscaler_of(forms[name], folder(kit, network) / name)(cat())
        wanted = np.clip(expected, 0, 1) if name.startswith("stages/") else expected
        assert np.abs(made - wanted).max() <= forms[name].tolerance, name
        distance = metrics.psnr(metrics.to_uint8(made), metrics.to_uint8(expected), 0)
        assert distance >= (50 if "int8" in name else 60), name  # 55 and 59 dB, and 79 in stages, where it was made


@pytest.mark.parametrize("network", models.names())
def test_int8_files_leave_flat_colours_as_they_are(networks, network):
    for kit, names in INT8.items():
        for name in names:
            upscale = load_upscaler(folder(kit, network) / name)[0]
            assert tint(upscale, networks[network], (64, 64)) <= 3


@pytest.mark.parametrize("kit", KITS)
def test_a_kit_that_was_taken_along_needs_no_more(networks, tmp_path, kit):
    shutil.copytree(ROOT / "export" / kit, tmp_path / "kit", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "photos").mkdir()
    Image.fromarray(cat()).save(tmp_path / "photos" / "cat.png")
    Image.fromarray(cat()).save(tmp_path / "cat.tiff")
    for given, made, scale in (
        ([tmp_path / "cat.tiff"], "cat-x4.png", 4),
        ([tmp_path / "photos", "--tile=48"], "photos-x4/cat.png", 4),
        *(([tmp_path / "cat.tiff", f"--scale={scale}"], f"cat-x{scale}.png", scale) for scale in SCALES),
    ):
        done = upscale(tmp_path / "kit", *given)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / made) as image:
            assert np.abs(np.asarray(image).astype(int) - metrics.to_uint8(networks[f"x{scale}"](cat()))).max() <= 1
        (tmp_path / made).unlink()


@pytest.mark.parametrize("kit", KITS)
def test_a_kit_enlarges_as_often_as_its_networks_do(tmp_path, kit):
    Image.fromarray(cat()).save(tmp_path / "cat.png")
    model = folder(kit, "x4") / KITS[kit]
    for given, named in (
        ([tmp_path / "cat.png", "--scale=5"], "choose from"),
        ([model, tmp_path / "cat.png", tmp_path / "large.png", "--scale=4"], "has a scale of its own"),
    ):
        done = upscale(kit, *given)
        assert done.returncode == 2
        assert named in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]
