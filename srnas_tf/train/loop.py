"""The training loop, for networks and supernets alike."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.data.patches import Patches
from srnas_tf.errors import WorkError, first_line
from srnas_tf.progress import progress
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.settings import TrainSettings
from srnas_tf.train.trainee import Trainee
from srnas_tf.train.writer import Metrics

LOG_EVERY = 20
"""Steps between two lines of metrics.jsonl."""

log = logging.getLogger(__name__)


def fit(
    strategy: tf.distribute.Strategy,
    trainee: Trainee,
    patches: Patches,
    settings: TrainSettings,
    folder: Path,
    validate: Callable[[list[np.ndarray]], float],
    codes_at: Callable[[int], tuple[int, ...]] = lambda step: (),
) -> list[np.ndarray]:
    """Trains to the last step, from the newest checkpoint in the folder where there is one.

    Args:
        strategy: whose scope the trainee was made in.
        trainee: what to train.
        patches: batches by step.
        settings: the recipe.
        folder: for checkpoints and metrics.
        validate: mean PSNR (dB) of a model with the weights it is given, in the order that this returns them in.
        codes_at: the path of a step, counted from 0.

    Returns:
        The model's variables, trainable ones first: their averages where `settings.ema` asks for them.

    Raises:
        WorkError: where gradients are no longer finite; the last good checkpoint stays.
    """
    with strategy.scope():
        optimizer = PathAdam(trainee.parts, settings.ema, trainee.model.dtype_policy.name == "mixed_float16")
    done = tf.Variable(0, dtype=tf.int64, trainable=False)
    weights = [part.variable for part in trainee.parts]
    # By name: Keras hides the layers that a model keeps in a list from checkpoints.
    states = {"weights": weights, "states": list(trainee.states)}
    checkpoint = tf.train.Checkpoint(optimizer=optimizer, done=done, **states)
    manager = tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), settings.keep)
    start = _restore(checkpoint, manager, done)
    kept = optimizer.averages if settings.ema else weights

    def current() -> list[np.ndarray]:
        return [w.numpy() for w in (*kept, *trainee.states)]

    if start >= settings.steps:
        return current()

    step = make_step(strategy, trainee, optimizer)
    metrics = Metrics(folder, start)
    dataset = strategy.experimental_distribute_dataset(_unsharded(patches.dataset(start, settings.steps)))
    note = ""
    with progress("/".join(folder.parts[-2:]), settings.steps, start) as report:
        for at, (lr, hr) in zip(range(start, settings.steps), dataset, strict=True):
            rate = settings.rate_at(at)
            loss = step(lr, hr, tf.constant(rate, tf.float32), tf.constant(codes_at(at), tf.int32))
            now = at + 1
            last = now == settings.steps
            validates = last or now % settings.validate_every == 0
            saves = last or now % settings.checkpoint_every == 0
            if at == start or now % LOG_EVERY == 0 or validates or saves:
                _check_finite(optimizer, float(loss), now, manager)
                values = {"loss": float(loss), "learning_rate": rate}
                if validates:
                    values["val_psnr"] = validate(current())
                    note = f"validation {values['val_psnr']:.2f} dB"
                metrics.write(now, **values)
            if saves:
                done.assign(now)
                manager.save(now)
            report(now, note)
    metrics.close()
    return current()


def make_step(strategy: tf.distribute.Strategy, trainee: Trainee, optimizer: PathAdam) -> Callable:
    """One traced step for all paths: L1 loss, gradients, update; returns the loss over the global batch.

    Args:
        strategy: whose scope trainee and optimizer were made in.
        trainee: what to train.
        optimizer: what moves it.
    """
    replicas = strategy.num_replicas_in_sync

    def l1(sr, hr):
        loss = tf.reduce_mean(tf.abs(sr - hr))
        return loss, loss * optimizer.scale / replicas

    def replica_step(lr, hr, rate, codes):
        lr, hr = (tf.cast(x, tf.float32) / 255.0 for x in (lr, hr))
        loss, gradients = trainee.loss_and_gradients(l1, lr, hr, codes)
        optimizer.apply(gradients, rate, codes)
        return loss

    @tf.function
    def step(lr, hr, rate, codes):
        losses = strategy.run(replica_step, args=(lr, hr, rate, codes))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return step


def _unsharded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Each worker draws the whole global batch and takes its share of it: the batch is a function of the step."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _restore(checkpoint: tf.train.Checkpoint, manager: tf.train.CheckpointManager, done: tf.Variable) -> int:
    """Goes back to the newest checkpoint that can be read; returns the steps done."""
    for path in reversed(manager.checkpoints):
        try:
            _read_through(path)
            checkpoint.restore(path).assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, IndexError, AssertionError) as error:
            log.warning("%s: cannot be read (%s); going back to the one before", path, first_line(error))
        else:
            return int(done)
    return 0


def _read_through(path: str) -> None:
    """Reads every tensor of a checkpoint, which checks its sums: a restore that broke off would leave half of it."""
    reader = tf.train.load_checkpoint(path)
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)


def _check_finite(optimizer: PathAdam, loss: float, step: int, manager: tf.train.CheckpointManager) -> None:
    # Under float16 a rejected step is how the loss scale finds its size.
    if np.isfinite(loss) and (optimizer.scales or not int(optimizer.rejected.numpy())):
        return
    kept = f"the last good checkpoint is {manager.latest_checkpoint}" if manager.latest_checkpoint else "none was saved"
    raise WorkError(
        f"loss or gradients stopped being finite by step {step}; lower --learning_rate, in another --workdir; {kept}"
    )
