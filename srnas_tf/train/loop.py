"""The training loop, for networks and supernets alike."""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
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
"""A mean loss of this size, in units of black to white, means that training diverged; the first steps may exceed it."""

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
    """Trains to the last step. It starts from the newest checkpoint in the folder if there is one.

    Args:
        strategy: the trainable model was made in its scope.
        trainable: the model to train.
        patches: batches by step.
        settings: the recipe.
        folder: folder for checkpoints and metrics.
        validate: measures the model with the given weights, which have the same order as the returned ones.
        networks_at: for a step, counted from 0, the codes of the networks that it trains; their number is constant.
        distills: see `make_step`.
        teacher: a network to learn from besides the images; None for none.
        subject: name of the trained network, for TensorBoard.

    Returns:
        The weights of the model, trainable ones first. Trainable weights are moving averages if `settings.ema` is not
        0.

    Raises:
        WorkError: if gradients are not finite, the loss diverges, or a file cannot be written; the last good checkpoint
            is kept. Also if a signal stopped another worker, at the same step as there.
        UserError: if an image can no longer be read.
        Interrupted: if a signal asks to stop; the step is finished, and a checkpoint is written.
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
        if home != folder:  # TensorFlow requires that all workers save; only the chief's files are kept
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
            if shown is not None:  # after the checkpoint, which matters more if the disk is nearly full
                metrics.show(now, bicubic_network_original=shown)
            report(now, note)
            if stops and not stopping():
                again = "start the same command on all workers again to continue from there"
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
    """Makes a training step: loss, gradients, update.

    A network's step is compiled as one function. A supernet's step calls compiled pieces, as its network does.

    Args:
        strategy: the trainable model and the optimizer were made in its scope.
        trainable: the model to train.
        optimizer: updates the weights.
        distills: if True, the first network learns the image, and all others learn the first one's output by squared
            error.
        distance: the loss between an output and the image.
        teacher: a network to learn from besides the image; None for none.

    Returns:
        A function that takes lr and hr, [batch, height, width, 3] in 0..255 and split by `shares`, the learning rate,
        and the codes of the networks to train. It returns the loss over the global batch, float32 []. With several
        networks it is their mean. All their gradients are computed before the update.
    """
    replicas = strategy.num_replicas_in_sync
    wanted = teacher.distance(distance) if teacher else distance

    def scaled(loss):
        return loss, loss * optimizer.scale / replicas

    # Nothing here branches on tensors: AutoGraph would only make traces slower.
    @tf.function(autograph=False)
    def from_photograph(sr, hr):
        return scaled(wanted(sr, hr))

    @tf.function(autograph=False)
    def from_another(sr, taught):
        # The gradient of an absolute error stays large when outputs are nearly equal. On shared weights, the paths that
        # learn from another path would then outweigh the image, and change that other path.
        return scaled(l2(sr, taught))

    @tf.function(autograph=False)
    def inputs(lr, hr):
        lr, hr = (tf.cast(levels, tf.float32) / 255.0 for levels in (lr, hr))
        return lr, teacher.targets(lr, hr) if teacher else hr

    def learn(lr, hr, networks):
        taught = from_another if distills else None
        lr, target = inputs(lr, hr)
        return trainable.loss_and_gradients(from_photograph, lr, target, networks, taught)

    def update(gradients, rate, used):
        strategy.run(optimizer.apply, args=([_regrouped(strategy, each) for each in gradients], rate, used))

    @functools.cache
    def update_of(networks, devices):
        """One trace for all networks, though they use different numbers of rows."""
        gradients = [(part.signature,) * devices for part in trainable.parts]
        used = [part.kind.signature(networks) for part in trainable.parts if part.kind]
        return tf.function(update, input_signature=[gradients, tf.TensorSpec([]), used], autograph=False)

    def step(lr, hr, rate, networks):
        losses, gradients = strategy.run(learn, args=(lr, hr, networks))
        by_device = [strategy.experimental_local_results(each) for each in gradients]
        used = [own for own in trainable.used(networks) if own is not None]
        update_of(len(networks), len(by_device[0]))(by_device, rate, used)
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return step if trainable.composed else tf.function(step, autograph=False)


def shares(strategy: tf.distribute.Strategy, batch: tf.Tensor) -> tf.distribute.DistributedValues:
    """Splits a batch over the devices, in equal shares.

    Each worker draws the whole batch, which is a function of the step; so is each share. A distributed dataset would do
    the same. But at its end it waits up to a minute for TensorFlow's autotuning.

    Args:
        strategy: the devices.
        batch: [batch, ...]; the batch size is a multiple of the number of devices.
    """
    size = batch.shape[0] // strategy.num_replicas_in_sync

    def share(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        start = context.replica_id_in_sync_group * size
        return batch[start : start + size]

    return strategy.experimental_distribute_values_from_function(share)


def _regrouped(strategy: tf.distribute.Strategy, values: Sequence[tf.Tensor]) -> tf.distribute.DistributedValues:
    """The inverse of `strategy.experimental_local_results`. A signature cannot describe what is distributed."""
    left = iter(values)
    return strategy.experimental_distribute_values_from_function(lambda context: next(left))


def _check_sane(optimizer: PathAdam, loss: float, step: int, checkpoints: Checkpoints) -> None:
    # In float16, rejected steps are normal: the loss scale adapts by them.
    finite = np.isfinite(loss) and (optimizer.scales or not int(optimizer.rejected.numpy()))
    if finite and (loss < DIVERGED or step <= YOUNG):
        return
    kept = f"the last good checkpoint is {checkpoints.paths[-1]}" if checkpoints.paths else "none was saved"
    what = f"the loss has come to {loss:.3g}" if finite else "loss or gradients stopped being finite"
    raise WorkError(f"{what} by step {step}; lower --learning_rate, in another --workdir; {kept}")
