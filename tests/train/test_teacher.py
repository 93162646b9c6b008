"""Learning from another network: the loss, a training that goes on, and teachers that are refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from srnas_tf import arch, nets
from srnas_tf.arch import imdn
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.nets.files import save
from srnas_tf.nets.initial import initialize
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.jobs import Job
from srnas_tf.train.loop import make_step
from srnas_tf.train.losses import loss_of
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.train.teacher import teacher_of
from srnas_tf.train.trainable import trainable_network

STUDENT = imdn(scale=2, width=16, depth=1)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    network = nets.build(imdn(scale=2, width=24, depth=2))
    initialize(network, 5, "uniform")
    path = tmp_path_factory.mktemp("teacher") / "model.keras"
    save(network, path)
    return path


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_loss_is_of_image_and_teacher(teacher, weight):
    rng = np.random.default_rng(0)
    lr, hr = (tf.constant(rng.integers(0, 256, (2, side, side, 3)), tf.float32) for side in (8, 16))
    strategy = tf.distribute.get_strategy()
    student = nets.build(STUDENT)
    initialize(student, 0, "interpolation")
    taught = teacher_of(TrainSettings(teacher=str(teacher), teacher_weight=weight), STUDENT)
    trainable = trainable_network(student)
    optimizer = PathAdam(trainable.parts, 0.0, False)
    step = make_step(strategy, trainable, optimizer, distance=loss_of("charbonnier", 0.0), teacher=taught)
    output, theirs = student(lr / 255), taught.network(lr / 255)
    of_image = float(loss_of("charbonnier", 0.0)(output, hr / 255))
    of_teacher = float(tf.reduce_mean(tf.abs(output - theirs)))
    before = [variable.numpy() for variable in taught.network.variables]
    loss = float(step(lr, hr, tf.constant(1e-3), ((),)))
    assert loss == pytest.approx((1 - weight) * of_image + weight * of_teacher, rel=1e-4)
    for old, variable in zip(before, taught.network.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_a_training_with_a_teacher_goes_on_bit_identically(teacher, photographs, tmp_path, capsys):
    data = DataSettings(data=str(photographs))
    recipe = TrainSettings(steps=4, batch=2, patch=8, validate_every=2, checkpoint_every=2, teacher=str(teacher))
    through = Job(data, recipe, MachineSettings(), 2, tmp_path).train_network(STUDENT, tmp_path / "through")
    assert "the teacher takes" in capsys.readouterr().err
    half = dataclasses.replace(recipe, steps=2)
    Job(data, half, MachineSettings(), 2, tmp_path).train_network(STUDENT, tmp_path / "halves")
    halves = Job(data, recipe, MachineSettings(), 2, tmp_path).train_network(STUDENT, tmp_path / "halves")
    alone = dataclasses.replace(recipe, teacher="")
    without = Job(data, alone, MachineSettings(), 2, tmp_path).train_network(STUDENT, tmp_path / "alone")
    for one, two in zip(through.get_weights(), halves.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(through.get_weights(), without.get_weights(), strict=True))
    assert through.provenance["teacher"] == str(teacher)


def test_teachers_that_are_refused(teacher, tmp_path, invoke, photographs):
    asked = TrainSettings(teacher=str(teacher))
    with pytest.raises(UserError, match=r"--teacher=.*: enlarges 2 times, and the network to train 3 times"):
        teacher_of(asked, imdn(scale=3, width=16, depth=1))
    with pytest.raises(UserError, match=r"--teacher=.*: would take 100\.0% of each step's arithmetic"):
        teacher_of(asked, arch.NETS["bicubic"](2))
    with pytest.raises(UserError, match="no such model"):
        teacher_of(TrainSettings(teacher=str(tmp_path / "none.keras")), STUDENT)
    status, _, stderr = invoke(
        "--mode=train", f"--workdir={tmp_path / 'w'}", f"--data={photographs}", "--arch=SCS", "--depth=1", "--width=16",
        "--scale=3", "--stages=2", f"--teacher={teacher}", "--steps=1", "--batch=1", "--patch=8",
    )  # fmt: skip
    assert status == 2
    assert "give a teacher of the same scale" in stderr
    with pytest.raises(UserError, match=r"--teacher_weight=1\.5"):
        TrainSettings(teacher_weight=1.5)


@pytest.mark.parametrize(("depth", "met"), [(1, [1]), (2, [0, 1]), (3, [0, 1, 1])])
def test_blocks_learn_blocks_in_their_order(teacher, depth, met):
    student = imdn(scale=2, width=16, depth=depth)
    taught = teacher_of(TrainSettings(teacher=str(teacher), teacher_features=0.1), student)
    assert taught.met(depth) == met


def test_features_are_learned_through_weights_that_are_not_kept(teacher, photographs, tmp_path, monkeypatch):
    """At first the 1x1 convolutions give zeros, which are as far from the teacher's features as these are large."""
    asked = TrainSettings(teacher=str(teacher), teacher_weight=0.0, teacher_features=0.3)
    taught = teacher_of(asked, STUDENT)
    student = nets.build(STUDENT)
    initialize(student, 0, "interpolation")
    trainable = trainable_network(student, taught.watched(student))
    optimizer = PathAdam(trainable.parts)
    step = make_step(tf.distribute.get_strategy(), trainable, optimizer, teacher=taught.at(asked.phase_at(0)))
    rng = np.random.default_rng(0)
    lr, hr = (tf.constant(rng.integers(0, 256, (2, side, side, 3)), tf.float32) for side in (8, 16))
    of_image = float(tf.reduce_mean(tf.abs(student(lr / 255) - hr / 255)))
    losses = [float(step(lr, hr, tf.constant(1e-3), ((),))) for _ in range(12)]
    assert losses[0] == pytest.approx(of_image + 0.3, rel=1e-4)
    assert losses[-1] < losses[0] - 0.02
    assert all((part.variable.numpy() != 0).any() for part in trainable.parts[-trainable.aside :])

    recipe = dataclasses.replace(asked, steps=4, batch=2, patch=8, validate_every=4, checkpoint_every=2, ema=0.9)
    data = DataSettings(data=str(photographs))

    def train(home, steps=4):
        made = Job(data, dataclasses.replace(recipe, steps=steps), MachineSettings(), 2, tmp_path)
        return made.train_network(STUDENT, tmp_path / home)

    through = train("through")
    train("halves", 2)
    for one, two in zip(through.get_weights(), train("halves").get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert through.count_params() == STUDENT.params


def test_features_that_cannot_be_learned(teacher):
    asked = TrainSettings(teacher=str(teacher), teacher_features=0.1)
    for student in (arch.NETS["vdsr"](2), dataclasses.replace(STUDENT, stem="strided")):
        with pytest.raises(UserError, match=r"--teacher_features=0\.1: .* must be of IMDN's family, with stems"):
            teacher_of(asked, student)
    supernet = Job(DataSettings(), dataclasses.replace(asked, patch=8, batch=2), MachineSettings(), 2, Path())
    with pytest.raises(UserError, match=r"--teacher_features=0\.1: is for one network"):
        supernet.train_supernet(arch.Space(depth=1, width=16, scale=2), Path())
