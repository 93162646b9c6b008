"""What a recipe may change over a training, its optimizers and its rates; and the lines that refuse one."""

import dataclasses
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from srnas_tf import arch, reading
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.host.interrupt import Interrupted
from srnas_tf.nets.files import load
from srnas_tf.settings import Course
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.jobs import Job
from srnas_tf.train.rules import rules_of
from srnas_tf.train.settings import MachineSettings, Phase, TrainSettings
from srnas_tf.train.trainable import Part

TINY = TrainSettings(steps=6, batch=2, patch=8, learning_rate=1e-3, validate_every=6, checkpoint_every=2)
GROWING = dataclasses.replace(TINY, batch="2,3@0.5", patch="8,12@0.5", loss="l1,l2@0.8", frequency_loss="0.05,0@0.8")
STUDENT = arch.imdn(2, 16, 1)


@pytest.fixture
def data(photographs):
    return DataSettings(data=str(photographs))


def job(data, settings) -> Job:
    return Job(data, settings, MachineSettings(), 2, Path(data.data).parent)


def test_a_course_is_read_and_printed():
    course = Course.of("patch", "24, 48@0.70,64@.9", int)
    assert course == ((0, 24), (0.7, 48), (0.9, 64))
    assert str(course) == course.plain == "24,48@0.7,64@0.9"
    assert Course.of("patch", str(course), int) == course
    assert [course.at(step, 10) for step in range(10)] == [24] * 7 + [48] * 2 + [64]
    for plain, kind in ((24, int), ("l1", str), (0.0, float)):
        assert Course.of("x", plain, kind).plain == Course.of("x", str(plain), kind).plain == plain


@pytest.mark.parametrize(
    "text",
    ["24,48", "24@0.5", "24,48@1", "24,48@0", "24,48@0.5,64@0.5", "24,48@0.6,64@0.5", "24,x@0.5", "24,48@x", "24,",
     "24,@0.5", "24,48@nan", "24,48@-1", ",24", "24,0@0.5", "24,5000@0.5", "24:48@0.7"],
)  # fmt: skip
def test_courses_that_are_refused(text):
    with pytest.raises(UserError, match=r"--patch="):
        TrainSettings(patch=text)


def test_what_changes_is_part_of_the_recipe():
    """A record of a constant is what it was before anything could change."""
    kinds = {field.name for field in dataclasses.fields(TrainSettings) if field.metadata["course"]}
    assert kinds == set(Phase._fields)
    assert TrainSettings().phases == {0: Phase(16, 48, "l1", 0.0, 0.5)}
    assert (TrainSettings(patch="24").patch, TrainSettings(frequency_loss=1).frequency_loss) == (24, 1.0)
    for recipe in (TrainSettings(), GROWING):
        record = json.loads(json.dumps(dataclasses.asdict(recipe)))
        assert reading.settings_of(TrainSettings, record) == recipe
    assert GROWING.phases == {
        0: Phase(2, 8, "l1", 0.05, 0.5),
        3: Phase(3, 12, "l1", 0.05, 0.5),
        5: Phase(3, 12, "l2", 0.0, 0.5),
    }
    assert dataclasses.replace(GROWING, steps=60).phase_at(47) == Phase(3, 12, "l1", 0.05, 0.5)
    assert list(dataclasses.replace(GROWING, steps=1).phases) == [0]


def test_batches_grow_as_the_recipe_says(data):
    patches = job(data, GROWING).patches
    shapes = [tuple(hr.shape) for _, hr in patches.dataset(0, 6)]
    assert shapes == [(2, 16, 16, 3)] * 3 + [(3, 24, 24, 3)] * 3
    for start in (1, 2, 4):
        for step, batch in enumerate(patches.dataset(start, 6), start=start):
            for made, asked in zip(batch, patches.at(step), strict=True):
                np.testing.assert_array_equal(made, asked)


def _goes_on(train, tmp_path, monkeypatch, at: int) -> None:
    """That a training that is told to stop after a step comes to the same weights."""
    through, rate_at = train(tmp_path / "through"), TrainSettings.rate_at

    def stopped(settings, step):
        if step == at:
            signal.raise_signal(signal.SIGTERM)
        return rate_at(settings, step)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(TrainSettings, "rate_at", stopped)
        train(tmp_path / "halves")
    for one, two in zip(through.get_weights(), train(tmp_path / "halves").get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_network_is_resumed_in_any_phase(data, tmp_path, monkeypatch):
    recipe = dataclasses.replace(GROWING, optimizer="muon", weight_decay=0.1, schedule="constant", warmdown=0.5)
    _goes_on(lambda home: job(data, recipe).train_network(STUDENT, home), tmp_path, monkeypatch, at=3)
    assert load(tmp_path / "halves" / "model.keras").provenance["patch"] == "8,12@0.5"


def test_a_supernet_is_resumed_in_any_phase(data, tmp_path, monkeypatch):
    recipe = dataclasses.replace(GROWING, optimizer="adamw", weight_decay=0.1, ema=0.9)
    space = arch.Space(depth=1, width=16, scale=2, stages=2, sharing="entangled")
    _goes_on(lambda home: job(data, recipe).train_supernet(space, home), tmp_path, monkeypatch, at=4)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_optimizers_are_those_of_keras(name):
    """Keras' Muon takes matrices alone, and its Adam has its epsilon elsewhere."""
    import keras

    rng, decay, rate = np.random.default_rng(0), 0.3, 0.01
    for shape in ((24, 7), (5, 16)):
        start = rng.normal(size=shape).astype(np.float32)
        one, two = keras.Variable(start), keras.Variable(start)
        ours = PathAdam([Part(one.value)], rule_of=rules_of(name, decay))
        kind = {"adamw": keras.optimizers.AdamW, "muon": keras.optimizers.Muon}[name]
        theirs = kind(rate, weight_decay=decay, epsilon=1e-8)
        for _ in range(20):
            gradient = tf.constant(rng.normal(size=shape), tf.float32)
            ours.apply([gradient], tf.constant(rate))
            theirs.apply([gradient], [two])
        np.testing.assert_allclose(one.numpy(), two.numpy(), atol=2e-6)
        assert np.abs(one.numpy() - start).min() > 1e-4


@pytest.mark.parametrize(("name", "tolerance"), [("adamw", 0), ("muon", 1e-6)])
def test_variables_of_one_shape_move_as_they_would_alone(name, tolerance):
    rng, rule_of = np.random.default_rng(1), rules_of(name, 0.3)
    shapes = [(3, 3, 8, 6), (8,), (3, 3, 8, 6), (16, 4), (8,), (3, 3, 8, 6)]
    starts = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    together, alone = ([Part(tf.Variable(start)) for start in starts] for _ in range(2))
    of_all = PathAdam(together, ema=0.9, rule_of=rule_of)
    of_each = [PathAdam([part], ema=0.9, rule_of=rule_of) for part in alone]
    rate = tf.constant(0.01)
    for _ in range(4):
        gradients = [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]
        of_all.apply(gradients, rate)
        for optimizer, gradient in zip(of_each, gradients, strict=True):
            optimizer.apply([gradient], rate)
    for i, own in enumerate(of_each):
        pairs = [(together[i].variable, alone[i].variable), (of_all.averages[i], own.averages[0])]
        for one, other in [*pairs, (of_all.first[i], own.first[0]), (of_all.second[i], own.second[0])]:
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=tolerance)
        assert of_all.counts[i].numpy() == own.counts[0].numpy() == 4
        assert np.abs(together[i].variable.numpy() - starts[i]).mean() > 1e-3


def test_muon_moves_kernels_and_adam_all_else():
    shapes = {(3, 3, 3, 16): False, (3, 3, 16, 8): True, (1, 1, 16, 8): True, (3, 3, 1, 16): False, (16,): False}
    choose = rules_of("muon", 0.0)
    rules = {shape: choose(tf.Variable(tf.zeros(shape))) for shape in shapes}
    usual = rules[(16,)]
    assert {shape: rule is not usual for shape, rule in rules.items()} == shapes
    kernel = tf.random.stateless_normal((3, 3, 16, 8), (0, 0))
    zeros, one = tf.zeros_like(kernel), tf.constant(1.0)
    matrix, moment, moved = (tf.reshape(each, (-1, 8)) for each in (kernel, kernel, zeros))
    by_matrix = choose(tf.Variable(moved))(matrix, 0 * moment, moved, moved, one, one)
    by_kernel = rules[(3, 3, 16, 8)](kernel, zeros, zeros, zeros, one, one)
    np.testing.assert_array_equal(tf.reshape(by_kernel[2], (-1, 8)), by_matrix[2])
    values = np.linalg.svd(by_matrix[2], compute_uv=False) / (0.2 * np.sqrt(144))
    assert 0.5 < values.min() <= values.max() < 1.3


def _rates(**recipe) -> list[float]:
    settings = TrainSettings(steps=8, learning_rate=0.5, **recipe)
    return [settings.rate_at(step) for step in range(8)]


def test_rates():
    quarter = [0.5, pytest.approx(0.25 * (1 + np.cos(np.pi / 4))), 0.25, pytest.approx(0.25 * (1 - np.cos(np.pi / 4)))]
    assert _rates(schedule="cosine", restarts=1) == [pytest.approx(rate) for rate in quarter * 2]
    assert _rates(schedule="cosine", restarts=0) == _rates(schedule="cosine")
    assert _rates(schedule="constant") == [0.5] * 8
    assert _rates(schedule="constant", warmdown=0.5) == [0.5] * 5 + [0.375, 0.25, 0.125]
    assert _rates(schedule="constant", warmdown=1.0, warmup=2)[:3] == [0.25, 0.4375, 0.375]
    assert _rates(schedule="step", halve_every=4, warmdown=0.25) == [0.5] * 4 + [0.25] * 3 + [0.125]


def test_flat_patches_are_part_of_the_recipe(data):
    plain, flat = job(data, TINY), job(data, dataclasses.replace(GROWING, flat_patches=1.0))
    for step in (0, 5):
        lr, hr = flat.patches.at(step)
        assert np.ptp(lr, axis=(1, 2)).max() == np.ptp(hr, axis=(1, 2)).max() == 0
        assert np.ptp(plain.patches.at(step)[1], axis=(1, 2)).min() > 0
    assert flat.by(TINY).patches.at(0)[1].tobytes() == plain.patches.at(0)[1].tobytes()


REFUSED = {
    "restarts of another schedule": ({"restarts": 2}, r"--restarts=2: is for --schedule=cosine"),
    "as many restarts as steps": ({"restarts": 4, "steps": 4, "schedule": "cosine"}, "--restarts=4"),
    "a warm-down longer than the run": ({"warmdown": 1.5}, "--warmdown=1.5"),
    "decay of adam": ({"weight_decay": 0.1}, r"--weight_decay=0.1: is for --optimizer=adamw or muon"),
    "adamw without decay": ({"optimizer": "adamw"}, "--optimizer=adamw: .* give one, such as"),
    "an optimizer that nobody has": ({"optimizer": "adan"}, "--optimizer=adan"),
    "a loss late that nobody has": ({"loss": "l1,l3@0.5"}, "--loss=l3"),
    "features of no teacher": ({"teacher_features": 0.1}, "--teacher_features=0.1: needs --teacher"),
    "more flat patches than patches": ({"flat_patches": 1.5}, "--flat_patches=1.5"),
    "a teacher's share above one": ({"teacher_weight": "0.5,1.5@0.5"}, "--teacher_weight=1.5"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_recipes_that_are_refused(case):
    given, line = REFUSED[case]
    with pytest.raises(UserError, match=line):
        TrainSettings(**given)


MUON = "--optimizer=muon: is for single networks, not a supernet; --retrain_optimizer=muon"
COMMANDS = {
    "patches too large late": (["train", "--arch=SCS", "--patch=8,4000@0.9"], "--patch=4000"),
    "muon of a supernet": (["supernet", "--optimizer=muon", "--patch=8"], MUON),
    "a batch that two devices cannot share": (["train", "--arch=SCS", "--patch=8", "--batch=2,x@0.5"], "batch=2,x@0.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMANDS)
def test_commands_that_are_refused(invoke, photographs, tmp_path, case):
    (mode, *flags), named = COMMANDS[case]
    given = (f"--data={photographs}", f"--workdir={tmp_path / 'w'}", "--width=16", "--depth=1", "--stages=2", *flags)
    status, _, stderr = invoke(f"--mode={mode}", *given)
    assert status == 2
    assert named in stderr.splitlines()[-1]
