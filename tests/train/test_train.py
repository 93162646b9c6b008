"""Training: exact gradients, weights left alone, resuming, devices, recipes."""

import dataclasses
import gc
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import lines
from spaces import wide
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from srnas_tf import arch, nets
from srnas_tf.arch import SHARING, Space
from srnas_tf.data import imresize
from srnas_tf.data.sources import DataSettings, load_pairs
from srnas_tf.errors import UserError, WorkError
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path
from srnas_tf.train import evaluate, jobs, precision
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.train.trainable import Part, trainable_network, trainable_supernet

SPACE = Space(depth=2, width=16, scale=2)
TINY = TrainSettings(steps=6, batch=2, patch=8, learning_rate=1e-3, validate_every=3, checkpoint_every=3)


@pytest.fixture
def data(photographs):
    return DataSettings(data=str(photographs))


def job(data, settings=TINY, scale=2, **machine) -> Job:
    return Job(data, settings, MachineSettings(**machine), scale, Path(data.data).parent)


def _batch(scale: int = 2):
    rng = np.random.default_rng(0)
    return rng.random((2, 9, 8, 3), np.float32), rng.random((2, 9 * scale, 8 * scale, 3), np.float32)


def _gradients(trainable, lr, hr, codes):
    return trainable.loss_and_gradients(_l1, lr, hr, (codes,))[1]


def _l1(sr, hr):
    loss = tf.reduce_mean(tf.abs(sr - hr))
    return loss, loss


@pytest.mark.parametrize("sharing", SHARING)
def test_gradients_of_a_path_are_those_of_the_network_alone(sharing):
    _same_gradients(dataclasses.replace(SPACE, sharing=sharing), [(7, 0), (3, 5), (4, 4)])


@pytest.mark.parametrize("sharing", ["none", "entangled"])
def test_gradients_of_any_trunk_are_those_of_the_network_alone(sharing):
    space, rng = wide(sharing), np.random.default_rng(0)
    trunks = range(len(space.trunks))
    drawn = [space.compose(trunk, [int(rng.integers(len(blocks))) for blocks in space.positions]) for trunk in trunks]
    _same_gradients(space, list(map(space.canonical, drawn)))


def _same_gradients(space, networks):
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    trainable = trainable_supernet(supernet)
    lr, hr = _batch()
    for codes in networks:
        theirs = trainable.gradients(_l1, lr, hr, codes).by_part
        network = nets.SRNet(space.network(codes))
        load_path(network, supernet)
        alone = _gradients(trainable_network(network), lr, hr, ())
        # A supernet whose weights are the gradients, extracted, holds the gradients of the network.
        holder, received = nets.Supernet(space), nets.SRNet(space.network(codes))
        each = zip(holder.trainable_variables, trainable.parts, trainable.used((codes,)), theirs, strict=True)
        for variable, part, used, gradient in each:
            variable.assign(part.place(gradient, used))
        load_path(received, holder)
        scale = max(float(np.abs(g).max()) for g in alone)
        for variable, gradient in zip(received.trainable_variables, alone, strict=True):
            np.testing.assert_allclose(variable.numpy(), gradient, atol=1e-6 * scale, rtol=1e-4)


def test_adam_is_adam():
    """Against Keras' own, whose epsilon stands elsewhere and matters little."""
    import keras

    one, two = keras.Variable(np.ones((3, 4), np.float32)), keras.Variable(np.ones((3, 4), np.float32))
    ours, theirs = PathAdam([Part(one.value)]), keras.optimizers.Adam(0.01, epsilon=1e-8)
    rng = np.random.default_rng(0)
    for _ in range(20):
        gradient = tf.constant(rng.normal(size=(3, 4)), tf.float32)
        ours.apply([gradient], tf.constant(0.01))
        theirs.apply([gradient], [two])
    np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-6)
    assert np.abs(one.numpy() - 1).min() > 1e-3


def test_averages_follow_the_weights():
    weights = tf.Variable(np.ones(5, np.float32))
    adam, expected = PathAdam([Part(weights)], ema=0.9), np.ones(5)
    for step in range(1, 120):
        adam.apply([tf.constant(np.arange(5), tf.float32)], tf.constant(0.01))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights.numpy()
    np.testing.assert_allclose(adam.averages[0].numpy(), expected, rtol=1e-5)


def test_gradients_that_are_not_finite_change_nothing():
    weights = tf.Variable(np.ones(3, np.float32))
    adam = PathAdam([Part(weights)], ema=0.9)
    adam.apply([tf.constant([1.0, np.inf, np.nan])], tf.constant(0.01))
    for kept, value in ((weights, 1), (adam.averages[0], 1), (adam.first[0], 0), (adam.second[0], 0)):
        np.testing.assert_array_equal(kept.numpy(), [value] * 3)
    assert (adam.counts[0].numpy(), adam.rejected.numpy()) == (0, 1)


def test_the_last_step_is_validated_once(data, tmp_path, monkeypatch):
    counted = []

    def validation_psnr(*arguments):
        counted.append(evaluate.validation_psnr(*arguments))
        return counted[-1]

    monkeypatch.setattr(jobs, "validation_psnr", validation_psnr)
    settings = dataclasses.replace(TINY, steps=4, validate_every=2)
    for validated in (2, 3):  # what was trained to its end before is only measured
        net = job(data, settings).train_network(arch.imdn(2, 16, 1), tmp_path)
        assert len(counted) == validated
        assert net.provenance["val_psnr"] == counted[-1] == counted[1]


def test_nothing_is_left_of_a_training_that_is_done(data, tmp_path):
    """Else a ranking, which does many, would fill the memory."""

    def graphs() -> int:
        gc.collect()
        return sum(type(item).__name__ == "FuncGraph" and item.name == "step" for item in gc.get_objects())

    before = graphs()
    job(data).train_network(arch.imdn(2, 16, 1), tmp_path)
    assert graphs() == before


def _same_weights(one: nets.Net, two: nets.Net) -> bool:
    pairs = zip(one.weights, two.weights, strict=True)
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


@pytest.mark.parametrize("kind", ["none", "entangled", "x2:w16:SCSCS-SCSCS"])
def test_a_resumed_run_equals_an_undisturbed_one(data, tmp_path, kind, monkeypatch):
    """Supernets, by what paths share, are torn out of a step; a network's gets a signal, finishes it, loses nothing."""
    torn = kind in SHARING
    settings = dataclasses.replace(TINY, ema=0.9, schedule="cosine")

    def train(folder):
        if torn:
            return job(data, settings).train_supernet(dataclasses.replace(SPACE, sharing=kind), folder)
        return job(data, settings).train_network(arch.parse(kind), folder)

    undisturbed = train(tmp_path / "a")

    rate_at = TrainSettings.rate_at

    def killed_at_step_4(settings, step):
        if step == 4 and torn:
            raise KeyboardInterrupt
        if step == 4:
            signal.raise_signal(signal.SIGTERM)
        return rate_at(settings, step)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TrainSettings, "rate_at", killed_at_step_4)
        train(tmp_path / "b")
    kept = 3 if torn else 5
    assert sorted(path.stem for path in (tmp_path / "b" / "checkpoints").glob("*.index"))[-1] == f"ckpt-{kept}"
    with (tmp_path / "b" / "metrics.jsonl").open("a") as file:
        file.write(f'{{"step": {kept + 1}, "loss": 9}}\n{{"step": {kept + 2}, "lo')
    resumed = train(tmp_path / "b")
    assert _same_weights(undisturbed, resumed)
    before, after = (lines(tmp_path / name / "metrics.jsonl") for name in "ab")
    assert [entry["step"] for entry in after] == ([1, 3, 4, 6] if torn else [1, 3, 5, 6])
    values = {entry["step"]: (entry["loss"], entry.get("val_psnr")) for entry in before}
    assert all(values.get(e["step"], (e["loss"], e.get("val_psnr"))) == (e["loss"], e.get("val_psnr")) for e in after)


@pytest.mark.parametrize("harm", ["cut", "flip"])
@pytest.mark.parametrize("spoiled", [["ckpt-6"], ["ckpt-3", "ckpt-6"]])
def test_an_unreadable_checkpoint_gives_way_to_the_one_before(data, tmp_path, caplog, harm, spoiled):
    undisturbed = job(data).train_network(arch.imdn(2, 16, 1), tmp_path)
    for name in spoiled:
        [path] = (tmp_path / "checkpoints").glob(f"{name}.data*")
        content = bytearray(path.read_bytes())
        content[len(content) * 3 // 4] ^= 0x10
        path.write_bytes(content if harm == "flip" else content[: len(content) // 2])
    assert _same_weights(undisturbed, job(data).train_network(arch.imdn(2, 16, 1), tmp_path))
    assert caplog.text.count("going back") == len(spoiled)


def test_metrics_have_no_gaps(data, tmp_path):
    settings = dataclasses.replace(TINY, steps=50, validate_every=25, checkpoint_every=50)
    job(data, settings).train_network(arch.imdn(2, 16, 1), tmp_path)
    entries = lines(tmp_path / "metrics.jsonl")
    assert [entry["step"] for entry in entries] == [1, 20, 25, 40, 50]
    assert [entry["step"] for entry in entries if "val_psnr" in entry] == [25, 50]
    assert all({"step", "loss", "learning_rate", "seconds"} <= set(entry) for entry in entries)
    assert entries[0]["seconds"] < entries[-1]["seconds"]
    board = EventAccumulator(str(tmp_path / "tensorboard"), {"tensors": 0}).Reload()
    for name in ("loss", "learning_rate", "val_psnr"):
        shown = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in board.Tensors(name)]
        assert shown == [(e["step"], pytest.approx(e[name], rel=1e-6)) for e in entries if name in e]
    [_, second] = board.Tensors("bicubic_network_original")  # one a validation
    width, height, png = second.tensor_proto.string_val
    pixels = tf.io.decode_png(png).numpy()
    assert pixels.shape == (int(height), int(width), 3)
    thirds = np.split(pixels.astype(int), 3, axis=1)
    assert np.abs(thirds[0] - thirds[2]).mean() < 30  # they show the same place
    told = plugin_data_pb2.HParamsPluginData.FromString(
        board.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    hparams = told.session_start_info.hparams
    assert hparams["steps"].number_value == 50
    assert hparams["subject"].string_value == str(arch.imdn(2, 16, 1))


def test_training_learns(data, tmp_path):
    settings = dataclasses.replace(TINY, steps=60, batch=4, learning_rate=3e-3, first_weights="uniform")
    job(data, settings).train_network(arch.imdn(2, 16, 1), tmp_path)
    losses = [entry["loss"] for entry in lines(tmp_path / "metrics.jsonl")]
    assert losses[-1] < 0.5 * losses[0]


def test_checkpoints_are_few(data, tmp_path):
    settings = dataclasses.replace(TINY, checkpoint_every=1, keep=2)
    job(data, settings).train_network(arch.imdn(2, 16, 1), tmp_path)
    assert len(list((tmp_path / "checkpoints").glob("*.index"))) == 2


def test_a_supernet_trains_in_low_precision(data, tmp_path):
    settings = dataclasses.replace(TINY, precision="mixed_bfloat16", steps=8)
    supernet = job(data, settings).train_supernet(dataclasses.replace(SPACE, stages=2, sharing="ends"), tmp_path)
    assert supernet.dtype_policy.name == "float32"
    assert np.isfinite([entry["loss"] for entry in lines(tmp_path / "metrics.jsonl")]).all()


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_trains_and_is_kept_as_float32(data, tmp_path, name):
    settings = dataclasses.replace(TINY, precision=name, steps=30, batch=4, first_weights="uniform")
    network = job(data, settings).train_network(arch.imdn(2, 16, 1), tmp_path)
    assert network.dtype_policy.name == "float32"
    losses = [entry["loss"] for entry in lines(tmp_path / "metrics.jsonl")]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_auto_precision_stays_what_it_was(tmp_path):
    first = precision.settle("auto", tmp_path)
    assert first in ("float32", "mixed_bfloat16", "mixed_float16")
    (tmp_path / "precision.txt").write_text("mixed_float16\n")
    assert precision.settle("auto", tmp_path) == "mixed_float16"
    assert precision.settle("float32", tmp_path) == "float32"


def test_divergence_stops_with_the_last_good_checkpoint(data, tmp_path, monkeypatch):
    settings = dataclasses.replace(TINY, steps=40)
    monkeypatch.setattr(TrainSettings, "rate_at", lambda settings, step: 1e-3 if step < 4 else float("nan"))
    with pytest.raises(WorkError, match=r"lower --learning_rate.*ckpt-3"):
        job(data, settings).train_network(arch.imdn(2, 16, 1), tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").glob("*.index")] == ["ckpt-3.index"]


def test_photographs_read_again_train_alike(data, tmp_path):
    kept = job(data).train_network(arch.imdn(2, 16, 1), tmp_path / "kept")
    streamed = job(data, memory_gb=0).train_network(arch.imdn(2, 16, 1), tmp_path / "streamed")
    assert _same_weights(kept, streamed)


def test_schedules():
    step = TrainSettings(steps=1000, learning_rate=2e-4, halve_every=400)
    assert [step.rate_at(s) for s in (0, 399, 400, 800)] == pytest.approx([2e-4, 2e-4, 1e-4, 5e-5])
    cosine = dataclasses.replace(step, schedule="cosine", warmup=10)
    assert cosine.rate_at(0) == pytest.approx(2e-5)
    assert cosine.rate_at(500) == pytest.approx(1e-4)
    assert cosine.rate_at(999) < 1e-8


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("stem", ["plain", "light", "thin", "expanded"])
def test_a_network_may_begin_as_an_interpolation(scale, stem):
    model = nets.SRNet(arch.imdn(scale, 16, 2, stem))
    initialize(model, 0, "interpolation")
    y, x = np.mgrid[:12, :14]
    lr = np.stack([3 * y + 2 * x, 5 * y, 60 + x], axis=-1).astype(np.uint8)
    enlarged = 255 * evaluate.of_network(model)(lr)
    inner = np.s_[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    assert np.abs(enlarged - imresize.enlarge(lr, scale))[inner].max() < 8
    with pytest.raises(UserError, match="first_weights"):
        narrow = nets.SRNet(arch.Network(2, 2, (arch.Block("C", "full"),)))
        initialize(narrow, 0, "interpolation")


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"batch": 0}, {"learning_rate": 0}, {"learning_rate": float("nan")}, {"ema": 1}, {"keep": 0}],
)
def test_bad_recipes(wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        TrainSettings(**wrong)


DEVICES = """
import dataclasses, sys, json, numpy as np
count, folder, photographs = int(sys.argv[1]), sys.argv[2], sys.argv[3]
from srnas_tf.host import devices
devices.import_tensorflow(cpu_devices=count)
from pathlib import Path
from srnas_tf.arch import Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
usual = TrainSettings(steps=5, batch=4, patch=8, learning_rate=1e-3, first_weights="uniform")
# One strategy: TensorFlow confuses the collectives of two in one process.
job = Job(DataSettings(data=photographs), usual, MachineSettings(), 2, Path(folder))
assert job.strategy.num_replicas_in_sync == count
weights = []
for name, sharing in (("uniform", "none"), ("fair", "none"), ("uniform", "entangled"), ("fair", "entangled")):
    space = Space(stages=1, depth=2, width=16, scale=2, sharing=sharing)
    settings = dataclasses.replace(usual, sampling=name)
    supernet = job.by(settings).train_supernet(space, Path(folder) / name / sharing)
    weights += [v.numpy().ravel() for v in supernet.trainable_variables]
    last = (Path(folder) / name / sharing / "metrics.jsonl").read_text().splitlines()[-1]
    weights.append([json.loads(last)["val_psnr"] / 1000])  # dB: not to five digits after the point
np.save(Path(folder) / "weights.npy", np.concatenate(weights))
"""


def test_two_devices_train_as_one(photographs, tmp_path):
    import os
    import subprocess
    import sys

    from conftest import ROOT

    weights = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        line = [sys.executable, "-c", DEVICES, str(count), str(folder), str(photographs)]
        done = subprocess.run(
            line, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert done.returncode == 0, done.stderr
        weights.append(np.load(folder / "weights.npy"))
    np.testing.assert_allclose(*weights, atol=1e-5)


def test_scores_of_a_perfect_upscaler(photographs):
    from srnas_tf.data import images

    pairs = load_pairs(images.find(photographs), 2)
    answers = {pair.lr.tobytes(): pair.hr / np.float32(255) for pair in pairs}
    told = []
    result = evaluate.scores(lambda lr: answers[lr.tobytes()], pairs, 2, lambda done, name: told.append((done, name)))
    assert result.psnr == float("inf")
    assert result.ssim == pytest.approx(1)
    assert told == [(i, pair.name) for i, pair in enumerate(pairs, start=1)]


def test_official_imdn_in_the_papers_table(shared):
    from test_nets import imported

    from srnas_tf.data import images

    upscale = evaluate.of_network(imported(shared / "reference" / "imdn" / "IMDN_x4.npz"))
    for name, psnr, ssim in (("Set5", 32.2096, 0.8948), ("Set14", 28.5820, 0.7811)):
        pairs = load_pairs(images.find(shared / "data" / name / "HR"), 4)
        result = evaluate.scores(upscale, pairs, 4)
        assert result.psnr == pytest.approx(psnr, abs=0.005)
        assert result.ssim == pytest.approx(ssim, abs=0.0002)


def test_a_folder_belongs_to_one_network(data, tmp_path):
    job(data).train_network(arch.imdn(2, 16, 1), tmp_path)
    with pytest.raises(UserError, match="another network"):
        job(data).train_network(arch.imdn(2, 16, 2), tmp_path)


def test_provenance_says_how_a_network_was_trained(data, tmp_path):
    network = job(data).train_network(arch.imdn(2, 16, 1), tmp_path)
    assert network.provenance["steps"] == 6
    assert network.provenance["data"] == data.data
    last = lines(tmp_path / "metrics.jsonl")[-1]
    assert network.provenance["val_psnr"] == last["val_psnr"]
    json.dumps(network.get_config())
