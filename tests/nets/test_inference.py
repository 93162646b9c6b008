"""`srnas_tf.load` and `srnas_tf.upscale`: each kind of image comes back as it was, only larger."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image

import srnas_tf
from srnas_tf import models
from srnas_tf.errors import UserError
from srnas_tf.kit import tiles


@pytest.fixture(scope="module")
def lr():
    """A small image, uint8 RGB."""
    return photograph(np.random.default_rng(0), 21, 26)


@pytest.fixture(scope="module")
def large(lr):
    """The same, twice as large."""
    return srnas_tf.upscale(lr, scale=2)


def test_the_package_says_what_it_has():
    assert {"load", "upscale"} <= set(dir(srnas_tf))
    with pytest.raises(AttributeError, match="nothing"):
        _ = srnas_tf.nothing


def test_nothing_is_said():
    """Neither by this package nor, at its import, by TensorFlow."""
    script = "import numpy, srnas_tf; print(srnas_tf.upscale(numpy.zeros((8, 9, 3), 'uint8'), scale=2).shape)"
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("(16, 18, 3)\n", "")


def test_arrays_keep_their_kind(lr, large):
    assert (large.shape, large.dtype) == ((42, 52, 3), np.uint8)
    as_float = srnas_tf.upscale(lr / np.float32(255), scale=2)
    assert as_float.dtype == np.float32
    assert np.abs(as_float * 255 - large).max() <= 0.51
    deep = srnas_tf.upscale(lr.astype(np.uint16) * 257, scale=2)
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 65535, as_float, atol=1e-4)


def test_pil_images_keep_their_kind(lr, large):
    rgb = Image.fromarray(lr)
    rgb.info["icc_profile"] = b"profile"
    enlarged = srnas_tf.upscale(rgb, scale=2)
    np.testing.assert_array_equal(np.asarray(enlarged), large)
    assert enlarged.info["icc_profile"] == b"profile"
    transparent = rgb.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(rgb.size))
    for image, mode in ((transparent, "RGBA"), (rgb.convert("L"), "L"), (rgb.convert("P"), "RGB")):
        enlarged = srnas_tf.upscale(image, scale=2)
        assert (enlarged.mode, enlarged.size) == (mode, (52, 42))


def test_models_by_name_by_file_and_as_they_are(lr, large):
    network = srnas_tf.load("x2")
    assert network.scale == 2
    for model in ("x2", str(models.path(2)), models.path(2), network):
        assert np.abs(srnas_tf.upscale(lr, model=model).astype(int) - large).max() <= 1


def test_tiles_give_what_the_whole_image_gives(large, lr, monkeypatch):
    monkeypatch.setattr(tiles, "PIXELS", 160)
    network = srnas_tf.load("x2")
    assert np.abs(srnas_tf.upscale(lr, model=network).astype(int) - large).max() <= 1


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), int), np.full((4, 4, 3), np.nan)],
    ids=["gray", "four channels", "integers", "not finite"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="image"):
        srnas_tf.upscale(image, scale=2)


def test_models_that_are_not_there(lr):
    for model in ("x9", "nowhere.keras", "nowhere.onnx"):
        with pytest.raises(UserError, match=model.replace(".", r"\.")):
            srnas_tf.upscale(lr, model=model)
    with pytest.raises(UserError, match=", ".join(models.names())):
        srnas_tf.load("x9")
