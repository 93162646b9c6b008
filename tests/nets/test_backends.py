"""Keras' conventions: what every Keras model can do, on every backend that is installed."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT

from srnas_tf import arch, nets

KINDS = {"IMDN's family": "x2:w8:imdn:SCS-SCS", "the zoo": "x2:fsrcnn", "taps": "x2:w8:bare:TCT-TC"}


@pytest.fixture(params=KINDS)
def network(request):
    """A small network of each family."""
    return nets.build(arch.parse(KINDS[request.param]))


@pytest.fixture
def lr():
    """A batch of two images."""
    return np.random.default_rng(0).uniform(size=(2, 9, 7, 3)).astype(np.float32)


def test_a_network_is_called_and_predicts(network, lr):
    called = keras.ops.convert_to_numpy(network(lr))
    assert called.shape == (2, 18, 14, 3)
    np.testing.assert_allclose(network.predict(lr, verbose=0), called, atol=1e-5)


def test_a_network_is_summarized(network):
    lines: list[str] = []
    network.summary(print_fn=lines.append)
    assert f"{network.count_params():,}" in "\n".join(lines)


def test_a_network_is_cloned(network, lr):
    clone = keras.models.clone_model(network)
    assert [weight.shape for weight in clone.weights] == [weight.shape for weight in network.weights]
    clone.set_weights(network.get_weights())
    np.testing.assert_array_equal(clone.predict(lr, verbose=0), network.predict(lr, verbose=0))


def test_a_network_is_exported_by_keras(lr, tmp_path):
    import tensorflow as tf

    network = nets.build(arch.parse(KINDS["IMDN's family"]))
    signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="float32")]
    network.export(tmp_path / "model", input_signature=signature, verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(loaded.serve(lr), network.predict(lr, verbose=0), atol=1e-5)


def test_a_network_is_fine_tuned_by_keras(lr):
    """With `compile` and `fit`, as any Keras model."""
    network = nets.build(arch.parse("x2:w4:bare:TC"))
    hr = np.repeat(np.repeat(lr, 2, axis=1), 2, axis=2)
    network.compile("adam", "mae")
    history = network.fit(lr, hr, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


ON_A_BACKEND = """
import sys
import numpy as np
import srnas_tf

assert not {"keras", "tensorflow"} & set(sys.modules), "imported too early"
network = srnas_tf.load("x2")
lr = np.random.default_rng(0).integers(0, 256, (14, 11, 3), np.uint8)
import keras
assert keras.backend.backend() == sys.argv[1]
whole = keras.ops.convert_to_numpy(network(lr[None] / np.float32(255)))
by_name, by_network = srnas_tf.upscale(lr, scale=2), srnas_tf.upscale(lr, model=network)
np.savez(sys.argv[2], whole=whole, by_name=by_name, by_network=by_network)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a network of the package gives on a backend, each in a process of its own."""
    folder, made = tmp_path_factory.mktemp("backends"), {}

    def of(backend):
        if backend not in made:
            made[backend] = folder / f"{backend}.npz"
            line = [sys.executable, "-c", ON_A_BACKEND, backend, str(made[backend])]
            environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
            subprocess.run(line, check=True, env=environment)
        return np.load(made[backend])

    return of


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_network_gives_the_same_on_every_backend(results, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    ours, theirs = results("tensorflow"), results(backend)
    np.testing.assert_allclose(theirs["whole"], ours["whole"], atol=1e-4)
    for name in ("by_name", "by_network"):
        assert np.abs(theirs[name].astype(int) - ours[name].astype(int)).max() <= 1
