"""A model as a training step sees it: a network, or a path of a supernet."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from srnas_tf.arch.space import Codes
from srnas_tf.nets import Net, Slot, Supernet
from srnas_tf.nets.sharing import ROW, Placement
from srnas_tf.train.pieces import TRACING, Pieces

Loss = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""(output, target) -> (loss to return, loss to differentiate)."""


class Own(NamedTuple):
    """The rows of a variable that a step uses, where each path has rows of its own.

    Attributes:
        rows: int32 [rows], those of one path behind those of the other.
        paths: int32 [paths], the numbers of the paths, each once.
        lengths: int32 [paths], the number of rows of each.
    """

    rows: tf.Tensor
    paths: tf.Tensor
    lengths: tf.Tensor

    @classmethod
    def signature(cls, networks: int) -> "Own":
        """Of the rows that so many networks use."""
        count = 1 if networks == 1 else None
        return cls(*(tf.TensorSpec(shape, tf.int32) for shape in ([None], [count], [count])))


class Shared(NamedTuple):
    """The rows of a variable that a step uses, where paths share rows.

    Attributes:
        rows: int32 [rows], each once.
        numbers: bool [rows, ROW], the numbers of these rows that the step uses.
    """

    rows: tf.Tensor
    numbers: tf.Tensor

    @classmethod
    def signature(cls, networks: int) -> "Shared":
        """Of the rows that so many networks use."""
        return cls(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, ROW], tf.bool))


Used = Own | Shared


class Part(NamedTuple):
    """A variable that the optimizer updates.

    Attributes:
        variable: the variable.
        counted: shape of its counts of steps. () if every step uses the whole variable; [paths] if each path has rows
            of its own; the variable's shape if paths share rows.
    """

    variable: tf.Variable
    counted: tuple[int, ...] = ()

    @property
    def kind(self) -> type[Used] | None:
        """Of what a step uses of the variable, if that is only some of its rows."""
        if not self.counted:
            return None
        return Own if len(self.counted) == 1 else Shared  # a variable of rows has two axes

    @property
    def signature(self) -> tf.TensorSpec:
        """Of the weights that a step uses, and of their gradients."""
        return tf.TensorSpec([None, ROW] if self.kind else self.variable.shape)

    def read(self, rows: tf.Tensor | None) -> tf.Tensor:
        """The weights of some rows, float [rows, ROW]; the whole variable if `rows` is None."""
        return tf.convert_to_tensor(self.variable) if rows is None else tf.gather(self.variable, rows)

    def place(self, values: tf.Tensor, used: Used | None) -> tf.Tensor:
        """Values for the weights that a step uses, in their place in zeros of the variable's shape."""
        return values if used is None else tf.scatter_nd(used.rows[:, None], values, self.variable.shape)


class Gradients(NamedTuple):
    """The loss of one network on one batch, and its gradients.

    Attributes:
        loss: float [].
        by_part: with respect to the weights of each part that the network uses, as `Part.read` has them.
        output: the network's, float [batch, height * scale, width * scale, 3].
    """

    loss: tf.Tensor
    by_part: list[tf.Tensor]
    output: tf.Tensor


class TrainableModel(NamedTuple):
    """A model as a training step sees it.

    Attributes:
        model: the network or supernet.
        parts: its trainable variables.
        losses: (loss, lr in 0..1, target, codes, the weights of each part that the network uses) -> (the loss, the loss
            to differentiate, the network's output).
        used: codes of some networks -> what they use of each part; None for all of it.
        weights: what a network uses -> its weights of each part.
        states: variables that the optimizer does not update, such as moving averages.
        aside: number of the last parts that do not belong to the model. They help to train it, and are not saved.
        composed: whether `losses` runs compiled pieces. It needs codes that are numbers, and cannot be traced itself.
    """

    model: Net | Supernet
    parts: Sequence[Part]
    losses: Callable[[Loss, tf.Tensor, tf.Tensor, Codes, Sequence[tf.Tensor]], tuple]
    used: Callable[[Sequence[Codes]], list[Used | None]]
    weights: Callable[[Sequence[Used | None]], list[tf.Tensor]]
    states: Sequence[tf.Variable] = ()
    aside: int = 0
    composed: bool = False

    def gradients(self, loss_of: Loss, lr: tf.Tensor, target: tf.Tensor, codes: Codes) -> Gradients:
        """The loss of one network, and its gradients with respect to the weights that it uses.

        Args:
            loss_of: the loss.
            lr: float [batch, height, width, 3] in 0..1.
            target: float [batch, height * scale, width * scale, 3] in 0..1.
            codes: codes of the network.
        """
        values = self.weights(self.used((codes,)))
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss, scaled, output = self.losses(loss_of, lr, target, codes, values)
        # The layers of a network read whole variables themselves. Those of a supernet get their weights as arguments.
        sources = values if self.composed else [part.variable for part in self.parts]
        gradients = tape.gradient(scaled, sources)
        # A block that the network has not has no rows, and gets no gradient.
        gradients = [g if v.shape[0] != 0 else v for v, g in zip(values, gradients, strict=True)]
        return Gradients(loss, gradients, output)

    def loss_and_gradients(
        self, loss_of: Loss, lr: tf.Tensor, hr: tf.Tensor, networks: Sequence[Codes], distilled: Loss | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The mean of the losses of some networks on one batch, and the gradients of their sum, for `PathAdam.apply`.

        For Adam, a sum is as good as a mean.

        Args:
            loss_of: see `gradients`.
            lr: see `gradients`.
            hr: the target of all networks, or of the first one.
            networks: codes of the networks.
            distilled: if given, the loss of all networks but the first. Their target is the first's output, as a
                constant.

        Returns:
            The loss; and for each part the gradients of the weights that some of the networks use, as `Part.read` has
            them.
        """
        first = self.gradients(loss_of, lr, hr, networks[0])
        if len(networks) == 1:
            return first.loss, first.by_part
        loss, sums = first.loss, self._placed(first, networks[0])
        for codes in networks[1:]:
            target, wanted = (hr, loss_of) if distilled is None else (first.output, distilled)
            of_network = self.gradients(wanted, lr, target, codes)
            loss += of_network.loss
            sums = [total + own for total, own in zip(sums, self._placed(of_network, codes), strict=True)]
        used = self.used(networks)
        gradients = [g if own is None else tf.gather(g, own.rows) for g, own in zip(sums, used, strict=True)]
        return loss / len(networks), gradients

    def _placed(self, gradients: Gradients, codes: Codes) -> list[tf.Tensor]:
        each = zip(self.parts, gradients.by_part, self.used((codes,)), strict=True)
        return [part.place(gradient, used) for part, gradient, used in each]


def trainable_network(network: Net, watched: keras.Layer | None = None) -> TrainableModel:
    """A network as a trainable model.

    Args:
        network: the network.
        watched: a layer that gives the output instead. It uses the network, and further weights that are not saved.
    """
    states = [v.value for v in network.non_trainable_variables]
    own = [Part(v.value) for v in network.trainable_variables]
    aside = [Part(v.value) for v in watched.trainable_variables] if watched else []

    def losses(loss_of: Loss, lr: tf.Tensor, target: tf.Tensor, codes: Codes, values: Sequence[tf.Tensor]) -> tuple:
        return _with_output(loss_of)(watched(lr) if watched else network(lr, training=True), target)

    def whole(networks: Sequence[Codes]) -> list[Used | None]:
        return [None] * len(own + aside)

    def weights(used: Sequence[Used | None]) -> list[tf.Tensor]:
        return [part.read(None) for part in own + aside]

    return TrainableModel(network, own + aside, losses, whole, weights, states=states, aside=len(aside))


def trainable_supernet(supernet: Supernet) -> TrainableModel:
    """A supernet as a trainable model. Codes choose the network."""
    each = [_parts(slot) for slot in supernet.slots]
    parts = list(itertools.chain(*each))
    pieces_of = functools.cache(lambda replica, *shape: Pieces(supernet))
    finish = functools.cache(_with_output)
    of_path = functools.cache(_of_path)

    def used(networks: Sequence[Codes]) -> list[Used | None]:
        chosen = zip(*map(supernet.space.paths, networks), strict=True)
        found: list[Used | None] = []
        for slot, own, paths in zip(supernet.slots, each, chosen, strict=True):
            rows = [of_path(slot.placement, path) for path in dict.fromkeys(paths)] if slot.own is not None else []
            found += [_together(rows) if part.kind else None for part in own]
        return found

    def losses(loss_of: Loss, lr: tf.Tensor, target: tf.Tensor, codes: Codes, values: Sequence[tf.Tensor]) -> tuple:
        # Each size of patches has its own traces. The shapes of shared ones would depend on where a run was resumed.
        pieces = pieces_of(_replica(), *lr.shape)
        left = iter(values)
        # A slot's parts are its paths' own rows, then those of all paths. A path takes them the other way round.
        rows = [[next(left) for _ in parts][::-1] for parts in each]
        return pieces(lr, codes, rows, finish(loss_of), target)

    def read(*rows: tf.Tensor) -> list[tf.Tensor]:
        left = iter(rows)
        with TRACING:
            return [part.read(next(left) if part.kind else None) for part in parts]

    # One call: a call for each part would cost more than the reading.
    signature = [tf.TensorSpec([None], tf.int32) for part in parts if part.kind]
    reading = functools.cache(lambda replica: tf.function(read, input_signature=signature, autograph=False))

    def weights(used: Sequence[Used | None]) -> list[tf.Tensor]:
        return reading(_replica())(*(own.rows for own in used if own is not None))

    return TrainableModel(supernet, parts, losses, used, weights, composed=True)


def _replica() -> int:
    """The number of the device that this thread computes for. Each device has its own traces."""
    return int(tf.distribute.get_replica_context().replica_id_in_sync_group)


def _with_output(loss_of: Loss) -> Callable[[tf.Tensor, tf.Tensor], tuple]:
    """(output, target) -> what `loss_of` gives, and the output."""
    return lambda output, target: (*loss_of(output, target), output)


def _parts(slot: Slot) -> list[Part]:
    """The parts of a slot, in the order of its variables: the paths' own weights, and those of all paths."""
    made = []
    if slot.own is not None:
        paths = (len(slot.placement),)
        made.append(Part(slot.own.value, tuple(slot.own.shape) if slot.placement.shares else paths))
    return made + ([] if slot.common is None else [Part(slot.common.value)])


def _of_path(placement: Placement, path: int) -> Used:
    """What a path uses of its slot's own rows."""
    rows = tf.constant(placement.rows_of(path), tf.int32)
    if placement.shares:
        return Shared(rows, tf.constant(placement.used(path)))
    return Own(rows, tf.constant([path], tf.int32), tf.constant([len(rows)], tf.int32))


def _together(paths: Sequence[Used]) -> Used:
    """What several paths of one slot use."""
    if len(paths) == 1:
        return paths[0]
    shared = [used for used in paths if isinstance(used, Shared)]
    if not shared:
        return Own(*(tf.concat(some, axis=0) for some in zip(*paths, strict=True)))
    rows = np.unique(np.concatenate([used.rows for used in shared]))
    numbers = np.zeros((len(rows), ROW), bool)
    for used in shared:
        numbers[np.searchsorted(rows, used.rows)] |= used.numbers.numpy()
    return Shared(tf.constant(rows), tf.constant(numbers))
