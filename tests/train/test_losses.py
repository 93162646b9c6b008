"""Losses: their values and gradients, and that a training takes the one that it is asked for."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from srnas_tf import nets
from srnas_tf.arch import imdn
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.nets.initial import initialize
from srnas_tf.train import losses, settings
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.jobs import Job
from srnas_tf.train.loop import make_step
from srnas_tf.train.losses import EPSILON, LOSSES, frequency, loss_of
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.train.trainable import trainable_network

RNG = np.random.default_rng(0)
OUTPUT, WANTED = (RNG.random((2, 12, 10, 3), np.float32) for _ in range(2))
DIFFERENCE = OUTPUT.astype(np.float64) - WANTED


def _frequency(difference: np.ndarray = DIFFERENCE) -> float:
    spectrum = np.fft.rfft2(difference, axes=(1, 2))
    return (np.abs(spectrum.real).mean() + np.abs(spectrum.imag).mean()) / 2


EXPECTED = {
    "l1": np.abs(DIFFERENCE).mean(),
    "charbonnier": np.sqrt(DIFFERENCE**2 + EPSILON**2).mean(),
    "l2": (DIFFERENCE**2).mean(),
}


def test_names_are_those_of_the_flag():
    assert tuple(LOSSES) == settings.LOSSES == tuple(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_values(name, weight):
    value = loss_of(name, weight)(tf.constant(OUTPUT), tf.constant(WANTED))
    assert float(value) == pytest.approx(EXPECTED[name] + weight * _frequency(), rel=1e-5)


def test_a_perfect_output_costs_nothing():
    for name, least in {"l1": 0, "charbonnier": EPSILON, "l2": 0}.items():
        assert float(loss_of(name, 1.0)(tf.constant(WANTED), tf.constant(WANTED))) == pytest.approx(least, abs=1e-9)


def test_the_gradient_of_the_frequencies():
    output = tf.Variable(OUTPUT)
    with tf.GradientTape() as tape:
        value = frequency(output, tf.constant(WANTED))
    gradient = tape.gradient(value, output).numpy().ravel()
    direction = RNG.standard_normal(OUTPUT.shape)
    h = 1e-6
    far, near = (_frequency(DIFFERENCE + sign * h * direction) for sign in (1, -1))
    assert gradient @ direction.ravel() == pytest.approx((far - near) / (2 * h), rel=1e-4)


def test_a_step_takes_the_loss():
    model = nets.SRNet(imdn(scale=2, width=16, depth=2))
    initialize(model, 0)
    lr, hr = (tf.constant(RNG.integers(0, 256, (2, side, side, 3)), tf.float32) for side in (8, 16))
    output = model(lr / 255.0)
    for name, weight in (("l1", 0.0), ("l2", 0.0), ("charbonnier", 0.05)):
        trainable = trainable_network(model)
        step = make_step(
            tf.distribute.get_strategy(), trainable, PathAdam(trainable.parts), distance=losses.loss_of(name, weight)
        )
        loss = step(lr, hr, tf.constant(0.0), ((),))
        assert float(loss) == pytest.approx(float(loss_of(name, weight)(output, hr / 255.0)), rel=1e-4)


def test_a_training_records_its_loss_and_goes_on_bit_identically(photographs, tmp_path):
    """With a degradation, whose draws are functions of the step, too."""
    data = DataSettings(data=str(photographs), degradation="photo")
    recipe = TrainSettings(
        steps=4, batch=2, patch=8, validate_every=2, checkpoint_every=2, loss="charbonnier", frequency_loss=0.05
    )
    network = imdn(scale=2, width=16, depth=1)
    through = Job(data, recipe, MachineSettings(), 2, tmp_path).train_network(network, tmp_path / "through")
    half = dataclasses.replace(recipe, steps=2)
    Job(data, half, MachineSettings(), 2, tmp_path).train_network(network, tmp_path / "halves")
    halves = Job(data, recipe, MachineSettings(memory_gb=0), 2, tmp_path).train_network(network, tmp_path / "halves")
    for one, two in zip(through.get_weights(), halves.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert through.provenance["loss"] == "charbonnier"
    assert through.provenance["low_resolution"] == data.degradation


@pytest.mark.parametrize("given", [{"loss": "l3"}, {"frequency_loss": -1}, {"frequency_loss": float("nan")}])
def test_other_losses_are_refused(given):
    with pytest.raises(UserError, match=f"--{next(iter(given))}="):
        TrainSettings(**given)
