"""The systems of table 4.1: exact counts, what the built networks compute, that they learn, and that they freeze."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from figures import SYSTEMS

from srnas_tf import arch, nets
from srnas_tf.arch.graph import Affine, Convolve, Deconvolve, WeightedSum
from srnas_tf.data import imresize
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.nets.files import load, save
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.resample import Resample
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings

ALL = [(name, scale) for name in SYSTEMS for scale in arch.network.SCALES]


def test_every_network_has_a_count():
    assert set(SYSTEMS) == set(arch.NETS)


@pytest.mark.parametrize(("name", "scale"), ALL)
def test_counts_texts_and_built_networks(name, scale):
    network = arch.NETS[name](scale)
    assert network.params == SYSTEMS[name][scale - 2]
    assert arch.parse(str(network)) == network
    outside = network.frame.params if isinstance(network, arch.Network) else 0
    assert outside + sum(cost["params"] for cost in network.costs()) == network.params
    model = nets.build(network)
    learned = [v for v in model.weights if "moving" not in v.path]
    assert sum(int(np.prod(v.shape)) for v in learned) == network.params
    assert _counted_macs(model, 4, 8) == network.macs(4 * 8 * scale**2)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if SYSTEMS[name][0]])
def test_narrower_networks(name):
    network = arch.NETS[name](4, width=16)
    assert network.params < SYSTEMS[name][2]
    assert arch.parse(str(network)) == network
    model = nets.build(network)
    assert sum(int(np.prod(v.shape)) for v in model.weights if "moving" not in v.path) == network.params
    assert _counted_macs(model, 4, 8) == network.macs(4 * 8 * 16)
    assert model(np.zeros((1, 4, 8, 3), np.float32)).shape == (1, 16, 32, 3)


def test_widths():
    assert arch.NETS["carn"](4, width=64) == arch.parse("x4:carn:w64") == arch.NETS["carn"](4)
    assert str(arch.NETS["carn"](2, width=24)) == "x2:carn:w24"
    assert arch.NETS["vdsr"](4, width=128).params == 18 * (9 * 128 * 128 + 128) + (9 * 128 + 128) + (9 * 128 + 1)
    for text, message in [
        ("x4:idn:w24", "multiples of 16"),
        ("x4:bicubic:w8", "no channels"),
        ("x4:carn:w9999", "up to 4096"),
        ("x4:carn:d3", "x4:carn:w24"),
    ]:
        with pytest.raises(UserError, match=message):
            arch.parse(text)


def _counted_macs(model, height: int, width: int) -> int:
    """Multiply-accumulates of a traced graph's convolutions, but for those of constant weights: interpolation."""
    traced = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec([1, height, width, 3]))
    total = 0
    for op in traced.graph.get_operations():
        if op.type == "Conv2D" and op.inputs[1].op.type != "Const":
            total += int(np.prod(op.inputs[1].shape[:3])) * int(np.prod(op.outputs[0].shape))
        elif op.type == "Conv2DBackpropInput":  # a transposed convolution: its kernel acts on what comes in
            total += int(np.prod(op.inputs[1].shape[:3])) * int(np.prod(op.inputs[2].shape))
    return total


@pytest.mark.parametrize(
    ("name", "kinds", "count"),
    [
        ("fsrcnn", (Convolve, Deconvolve), 12637),
        ("drrn", (Convolve,), 297216),
        ("memnet", (Convolve,), 676992),
        ("memnet", (Affine,), 8962),
        ("memnet", (WeightedSum,), 6),
        ("drcn", (WeightedSum,), 16),
    ],
)
def test_what_counts_consist_of(name, kinds, count):
    assert sum(layer.params for layer in arch.NETS[name](2).graph.layers if isinstance(layer, kinds)) == count


def test_vdsr_without_biases():
    layers = arch.NETS["vdsr"](4).graph.layers
    assert sum(layer.params - layer.conv.out_channels for layer in layers) == 664704


def test_carn_at_one_scale():
    model = nets.build(arch.NETS["carn"](4))
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 1111875


def test_known_macs():
    """As the papers that compare by them print them, at 1280 x 720."""
    published = {"carn": (222.8, 118.8, 90.9), "drcn": (17974.3,) * 3, "drrn": (6796.9,) * 3, "vdsr": (612.6,) * 3}
    for name, values in published.items():
        assert [round(arch.NETS[name](scale).macs() / 1e9, 1) for scale in (2, 3, 4)] == list(values)


@pytest.mark.parametrize(("name", "scale"), [(name, 3) for name in SYSTEMS] + [("lapsrn", 4), ("imdn_as", 2)])
def test_any_size_goes_in(name, scale):
    model = nets.build(arch.NETS[name](scale))
    initialize(model, 0)
    for height, width in ((1, 1), (5, 8)):
        sr = model(np.full((2, height, width, 3), 0.5, np.float32))
        assert sr.shape == (2, height * scale, width * scale, 3)
        assert sr.dtype == "float32"
        assert np.isfinite(sr).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_matlabs_but_for_rounding(scale):
    lr = np.random.default_rng(0).integers(0, 256, (13, 10, 3), np.uint8)
    # Away from black and white, where MATLAB's passes clip as well as round.
    lr = 64 + lr // 2
    sr = nets.build(arch.NETS["bicubic"](scale))(lr[None] / np.float32(255))[0].numpy() * 255
    assert np.abs(sr - imresize.enlarge(lr, scale)).max() < 1.5


def test_reducing_to_three_quarters_is_matlabs_but_for_rounding():
    large = 64 + np.random.default_rng(0).integers(0, 128, (16, 12, 3), np.uint8)
    small = Resample(3, 4)(large[None].astype(np.float32))[0].numpy()
    assert np.abs(small - imresize.imresize(large, 12, 9)).max() < 1.5


@pytest.mark.parametrize("name", ["srcnn", "idn"])
def test_luma_networks_keep_the_colours_of_bicubic(name):
    lr = np.random.default_rng(1).random((1, 6, 7, 3), np.float32)
    model = nets.build(arch.NETS[name](2))
    initialize(model, 0)
    difference = model(lr).numpy() - nets.build(arch.NETS["bicubic"](2))(lr).numpy()
    assert np.abs(difference).max() > 0.01
    # A change of Y alone is the same change of R, G and B.
    np.testing.assert_allclose(difference, difference.mean(axis=-1, keepdims=True) + np.zeros(3), atol=1e-4)


def test_statistics_are_each_places_own_and_gains_are_shared():
    model = nets.build(arch.NETS["drrn"](2))
    norms = [part for part in model.parts if isinstance(part, keras.layers.BatchNormalization)]
    assert len(norms) == 1 + 25 * 2 + 1
    initialize(model, 0)
    before = [norm.moving_variance.numpy() for norm in norms]
    model(np.random.default_rng(0).random((2, 6, 6, 3), np.float32), training=True)
    assert all((norm.moving_variance.numpy() != old).any() for norm, old in zip(norms, before, strict=True))


def job(photographs: Path, scale: int = 2, **settings) -> Job:
    recipe = TrainSettings(batch=2, patch=4, validate_every=1000, schedule="cosine", learning_rate=1e-3)
    recipe = dataclasses.replace(recipe, **settings)
    return Job(DataSettings(data=str(photographs)), recipe, MachineSettings(), scale, photographs.parent)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if SYSTEMS[name][0]])
def test_100_steps_lower_the_loss(photographs, tmp_path, name):
    training = job(photographs, steps=100)
    batches = [training.patches.at(step) for step in range(1000, 1012)]

    def loss(model, **options) -> float:
        scaled = [(lr / np.float32(255), hr / np.float32(255)) for lr, hr in batches]
        return float(np.mean([np.abs(model(lr, **options) - hr).mean() for lr, hr in scaled]))

    network = arch.NETS[name](2)
    fresh = nets.build(network)
    initialize(fresh, 0)
    trained = training.train_network(network, tmp_path / name)
    # Norms have no statistics before the first step: those of the batch stand in.
    assert loss(trained) < 0.8 * loss(fresh, training=True)
    kept = load(tmp_path / name / "model.keras")
    assert loss(kept) == loss(trained)
    assert str(kept.network) == str(network)


def test_checkpoints_hold_the_statistics_of_norms(photographs, tmp_path):
    network = arch.NETS["drrn"](2)
    trained = job(photographs, steps=2).train_network(network, tmp_path / "drrn")
    restored = job(photographs, steps=2).train_network(network, tmp_path / "drrn")
    assert any((v.numpy() != 0).any() for v in trained.non_trainable_variables if "moving_mean" in v.path)
    for one, other in zip(trained.weights, restored.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_bicubic_has_nothing_to_train(photographs, tmp_path, caplog):
    model = job(photographs, steps=3).train_network(arch.NETS["bicubic"](2), tmp_path / "bicubic")
    assert "nothing to train" in caplog.text
    assert "steps" not in model.provenance
    assert load(tmp_path / "bicubic" / "model.keras").provenance == model.provenance


def test_mixed_precision_keeps_the_image_in_float32():
    network = arch.NETS["vdsr"](2)
    exact, mixed = nets.build(network), nets.build(network, dtype="mixed_bfloat16")
    lr = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    for model in (exact, mixed):
        initialize(model, 0)
        model.parts[-1].kernel.assign(0 * model.parts[-1].kernel)
    np.testing.assert_allclose(mixed(lr), exact(lr), atol=1e-6)


def test_starts():
    network = nets.build(arch.NETS["vdsr"](2))
    initialize(network, 0)
    kernel = network.parts[3].kernel.numpy()
    assert np.isclose(kernel.std(), np.sqrt(2 / (9 * 64)), rtol=0.05)
    with pytest.raises(UserError, match="first_weights"):
        initialize(network, 0, "interpolation")
    lapsrn = nets.build(arch.NETS["lapsrn"](2))
    initialize(lapsrn, 0)
    [image] = [part for part in lapsrn.parts if part.weights and part.weights[0].shape == (4, 4, 1, 1)]
    assert image.kernel.numpy()[:, 1, 0, 0].tolist() == [0.1875, 0.5625, 0.5625, 0.1875]


def test_files_hold_the_architecture(tmp_path):
    model = nets.build(arch.NETS["fsrcnn"](3), provenance={"steps": 7})
    initialize(model, 1)
    save(model, tmp_path / "model.keras")
    loaded = load(tmp_path / "model.keras")
    assert (str(loaded.network), loaded.provenance) == ("x3:fsrcnn", {"steps": 7})
    lr = np.random.default_rng(0).random((1, 5, 6, 3), np.float32)
    np.testing.assert_array_equal(loaded(lr), model(lr))
