"""The training loop, for networks and supernets alike."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.arch.space import Codes
from srnas_tf.data.patches import Changing, Patches
from srnas_tf.errors import WorkError
from srnas_tf.host.interrupt import after_the_step
from srnas_tf.host.progress import progress
from srnas_tf.train import workers
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.checkpoints import Checkpoints
from srnas_tf.train.evaluate import Validation
from srnas_tf.train.losses import Distance, l1, l2, loss_of
from srnas_tf.train.rules import rules_of
from srnas_tf.train.settings import Phase, TrainSettings
from srnas_tf.train.teacher import Teacher
from srnas_tf.train.trainable import TrainableModel
from srnas_tf.train.writer import Metrics

LOG_EVERY = 20
"""Steps between two lines of metrics.jsonl."""

DIVERGED, YOUNG = 10.0, 100
"""A mean distance of that many times black to white is no training any more; of its first steps it may be."""

log = logging.getLogger(__name__)


def fit(
    strategy: tf.distribute.Strategy,
    trainable: TrainableModel,
    patches: Patches | Changing,
    settings: TrainSettings,
    folder: Path,
    validate: Callable[[list[np.ndarray]], Validation],
    networks_at: Callable[[int], tuple[Codes, ...]] = lambda step: ((),),
    distills: bool = False,
    teacher: Teacher | None = None,
    subject: str = "",
) -> list[np.ndarray]:
    """Trains to the last step, from the newest checkpoint in the folder where there is one.

    Args:
        strategy: whose scope the trainable model was made in.
        trainable: what to train.
        patches: batches by step.
        settings: the recipe.
        folder: for checkpoints and metrics.
        validate: says of a model with the weights it is given, in the order that this returns them in, how good it is.
        networks_at: codes of the networks that a step trains, counted from 0; as many in each.
        distills: as `make_step` takes it.
        teacher: likewise.
        subject: what is trained, for TensorBoard.

    Returns:
        The model's variables, trainable ones first: their averages where `settings.ema` asks for them.

    Raises:
        WorkError: where gradients are no longer finite, the loss is beyond hope, or something cannot be written; the
            last good checkpoint stays. Where a signal asks another worker for the end, at the same step as there.
        UserError: where a photograph can no longer be read.
        Interrupted: where a signal asks for the end; the step is finished, and a checkpoint written.
    """
    with strategy.scope():
        scales = trainable.model.dtype_policy.name == "mixed_float16"
        rule_of = rules_of(settings.optimizer, settings.weight_decay)
        optimizer = PathAdam(trainable.parts, settings.ema, scales, rule_of)
    weights = [part.variable for part in trainable.parts]
    # By name: Keras hides the layers that a model keeps in a list from checkpoints.
    state = {"optimizer": optimizer, "weights": weights, "states": list(trainable.states)}
    checkpoints = Checkpoints(folder / "checkpoints", settings.keep, **state)
    start = checkpoints.restore()
    workers.check_agreed(strategy, {"newest checkpoint": start})
    kept = optimizer.averages if settings.ema else weights

    def current() -> list[np.ndarray]:
        return [w.numpy() for w in (*kept[: len(kept) - trainable.aside], *trainable.states)]

    if start >= settings.steps:
        return current()

    @functools.cache
    def step_of(phase: Phase) -> Callable:
        distance = loss_of(phase.loss, phase.frequency_loss)
        return make_step(strategy, trainable, optimizer, distills, distance, teacher and teacher.at(phase))

    batches = patches.dataset(start, settings.steps)
    anyone, note = workers.anyone(strategy), ""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(workers.own(strategy, folder))
        if home != folder:  # all workers save, as TensorFlow wants it; the chief's files stay
            checkpoints = Checkpoints(home / "checkpoints", 1, **state)
        told = {"subject": subject, **dataclasses.asdict(settings)}
        metrics = stack.enter_context(contextlib.closing(Metrics(home, start, told)))
        report = stack.enter_context(progress("/".join(folder.parts[-2:]), settings.steps, start))
        stack.enter_context(patches.reading())
        stopping = stack.enter_context(after_the_step())
        for at, batch in zip(range(start, settings.steps), batches, strict=True):
            rate = settings.rate_at(at)
            lr, hr = (shares(strategy, each) for each in batch)
            loss = step_of(settings.phase_at(at))(lr, hr, tf.constant(rate, tf.float32), networks_at(at))
            now = at + 1
            last, stops = now == settings.steps, anyone(stopping())
            validates = last or now % settings.validate_every == 0
            saves = last or stops or now % settings.checkpoint_every == 0
            shown = None
            if at == start or now % LOG_EVERY == 0 or validates or saves:
                _check_sane(optimizer, float(loss), now, checkpoints)
                values = {"loss": float(loss), "learning_rate": rate}
                if validates and workers.writes(strategy):
                    found = validate(current())
                    values["val_psnr"] = found.psnr
                    note, shown = f"validation {found.psnr:.2f} dB", found.image
                metrics.write(now, **values)
            if saves:
                checkpoints.save(now)
            if shown is not None:  # after the checkpoint, which a full disk may have room for
                metrics.show(now, bicubic_network_original=shown)
            report(now, note)
            if stops and not stopping():
                again = "start the same command on all workers again: it goes on from there"
                raise WorkError(f"another worker was told to stop, after step {now}; {again}")
            if stops:
                break
    return current()


def make_step(
    strategy: tf.distribute.Strategy,
    trainable: TrainableModel,
    optimizer: PathAdam,
    distills: bool = False,
    distance: Distance = l1,
    teacher: Teacher | None = None,
) -> Callable:
    """One step: loss, gradients, update; returns the loss over the global batch.

    It takes lr and hr in 0..255, the learning rate, and the codes of the networks to train. With several of them the
    loss is their mean; all their gradients are computed before anything moves. A network's step is one trace. That of
    a supernet is put together of traced pieces, as its network is.

    Args:
        strategy: whose scope trainable model and optimizer were made in.
        trainable: what to train.
        optimizer: what moves it.
        distills: whether the paths after the first learn the first's output, by squared error, instead of the
            photograph.
        distance: the loss of an output and the photograph.
        teacher: whose output is to be learned besides the photograph.
    """
    replicas = strategy.num_replicas_in_sync
    wanted = teacher.distance(distance) if teacher else distance

    def scaled(loss):
        return loss, loss * optimizer.scale / replicas

    @tf.function
    def from_photograph(sr, hr):
        return scaled(wanted(sr, hr))

    @tf.function
    def from_another(sr, taught):
        # The gradient of an absolute error does not shrink as outputs meet: on the weights that all paths share, those
        # that learn from another would outvote the photograph, and carry away what they learn from.
        return scaled(l2(sr, taught))

    @tf.function
    def unit(levels):
        return tf.cast(levels, tf.float32) / 255.0

    @tf.function
    def targets(lr, hr):
        return teacher.targets(unit(lr), unit(hr)) if teacher else unit(hr)

    def learn(lr, hr, networks):
        taught = from_another if distills else None
        return trainable.loss_and_gradients(from_photograph, unit(lr), targets(lr, hr), networks, taught)

    @tf.function
    def update(gradients, rate, paths):
        strategy.run(optimizer.apply, args=(gradients, rate, paths))

    def step(lr, hr, rate, networks):
        losses, gradients = strategy.run(learn, args=(lr, hr, networks))
        update(gradients, rate, tf.constant([trainable.paths(codes) for codes in networks], tf.int32))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return step if trainable.composed else tf.function(step)


def shares(strategy: tf.distribute.Strategy, batch: tf.Tensor) -> tf.distribute.DistributedValues:
    """What each device takes of a batch.

    Each worker draws the whole batch: it is a function of the step, and so is each share. A distributed data set would
    do the same and wait at its end, for up to a minute, until TensorFlow has tuned it once more.
    """
    size = batch.shape[0] // strategy.num_replicas_in_sync

    def share(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        start = context.replica_id_in_sync_group * size
        return batch[start : start + size]

    return strategy.experimental_distribute_values_from_function(share)


def _check_sane(optimizer: PathAdam, loss: float, step: int, checkpoints: Checkpoints) -> None:
    # Under float16 a rejected step is how the loss scale finds its size.
    finite = np.isfinite(loss) and (optimizer.scales or not int(optimizer.rejected.numpy()))
    if finite and (loss < DIVERGED or step <= YOUNG):
        return
    kept = f"the last good checkpoint is {checkpoints.paths[-1]}" if checkpoints.paths else "none was saved"
    what = f"the loss has come to {loss:.3g}" if finite else "loss or gradients stopped being finite"
    raise WorkError(f"{what} by step {step}; lower --learning_rate, in another --workdir; {kept}")
