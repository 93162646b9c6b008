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


class Part(NamedTuple):
    """A variable that the optimizer updates, and the part of it that each path uses.

    Methods take the number of a path as a tensor in a traced function, and as an int outside of one.

    Attributes:
        variable: the variable.
        position: position of its slot among those of the supernet.
        rows: int32 [paths, rows of the longest path], the variable's rows of each path. A shorter path is filled up
            with row 0. None if every step uses the whole variable.
        lengths: int32 [paths], the number of rows of each path.
        used: bool [paths, rows of the longest path, ROW], the numbers of its rows that a path uses; None if paths share
            no rows.
    """

    variable: tf.Variable
    position: int = 0
    rows: np.ndarray | None = None
    lengths: np.ndarray | None = None
    used: tf.Tensor | None = None

    def path(self, paths: tf.Tensor) -> tf.Tensor | int:
        """The number of a network's path in this part's slot; 0 if every step uses the whole variable."""
        return 0 if self.rows is None else paths[self.position]

    def rows_of(self, path: tf.Tensor | int) -> tf.Tensor | None:
        """The rows of a path; None for the whole variable."""
        return None if self.rows is None else self.cut(tf.gather(self.rows, path), path)

    def uses(self, path: tf.Tensor | int) -> tf.Tensor | bool:
        """The numbers of its rows that a path uses; True for all."""
        return True if self.used is None else self.cut(tf.gather(self.used, path), path)

    def is_empty(self, path: int) -> bool:
        """Whether a path has no weights, as that of a block which a network has not. Then it gets no gradient."""
        return self.lengths is not None and self.lengths[path] == 0

    def weights_of_path(self, path: tf.Tensor | int) -> tf.Tensor:
        """The weights of a path, filled up to the rows of the longest one; the whole variable if every step uses it.

        So weights and gradients of all paths have one shape.
        """
        rows = None if self.rows is None else tf.gather(self.rows, path)
        return tf.convert_to_tensor(self.variable) if rows is None else tf.gather(self.variable, rows)

    def cut(self, value: tf.Tensor, path: tf.Tensor | int) -> tf.Tensor:
        """The values of a path's own rows, without those that fill it up."""
        return value if self.lengths is None else value[: tf.gather(self.lengths, path)]

    def place(self, value: tf.Tensor, path: tf.Tensor | int) -> tf.Tensor:
        """Values for a path's weights, in their place in zeros of the variable's shape: the inverse of
        `weights_of_path`.
        """
        rows = self.rows_of(path)
        return value if rows is None else tf.scatter_nd(rows[:, None], self.cut(value, path), self.variable.shape)


class Gradients(NamedTuple):
    """The loss of one network on one batch, and its gradients.

    Attributes:
        loss: float [].
        by_part: with respect to the network's weights in each part, as `Part.weights_of_path` has them.
        output: the network's, float [batch, height * scale, width * scale, 3].
    """

    loss: tf.Tensor
    by_part: list[tf.Tensor]
    output: tf.Tensor


class TrainableModel(NamedTuple):
    """A model as a training step sees it.

    Attributes:
        model: the network or supernet.
        parts: its trainable variables, each with the part of it that a step uses.
        losses: (loss, lr in 0..1, target, codes, the weights of each part) -> (the loss, the loss to differentiate,
            the network's output).
        weights: codes -> the network's weights in each part, as `Part.weights_of_path` has them.
        paths: codes -> the network's path in each slot.
        states: variables that the optimizer does not update, such as moving averages.
        aside: number of the last parts that do not belong to the model. They help to train it, and are not saved.
        composed: whether `losses` runs compiled pieces. It needs codes that are numbers, and cannot be traced itself.
    """

    model: Net | Supernet
    parts: Sequence[Part]
    losses: Callable[[Loss, tf.Tensor, tf.Tensor, Codes, Sequence[tf.Tensor]], tuple]
    weights: Callable[[Codes], list[tf.Tensor]]
    paths: Callable[[Codes], tuple[int, ...]] = lambda codes: ()
    states: Sequence[tf.Variable] = ()
    aside: int = 0
    composed: bool = False

    def gradients(self, loss_of: Loss, lr: tf.Tensor, target: tf.Tensor, codes: Codes) -> Gradients:
        """The loss of one network, and its gradients with respect to the network's weights.

        Args:
            loss_of: the loss.
            lr: float [batch, height, width, 3] in 0..1.
            target: float [batch, height * scale, width * scale, 3] in 0..1.
            codes: codes of the network.
        """
        paths = self.paths(codes)
        values = self.weights(codes)
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss, scaled, output = self.losses(loss_of, lr, target, codes, values)
        # The layers of a network read whole variables themselves. Those of a supernet get their weights as arguments.
        sources = values if self.composed else [part.variable for part in self.parts]
        gradients = tape.gradient(scaled, sources)
        each = zip(self.parts, values, gradients, strict=True)
        gradients = [value if part.is_empty(part.path(paths)) else gradient for part, value, gradient in each]
        return Gradients(loss, gradients, output)

    def loss_and_gradients(
        self, loss_of: Loss, lr: tf.Tensor, hr: tf.Tensor, networks: Sequence[Codes], distilled: Loss | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The mean of the losses of some networks on one batch, and the gradients of their sum, for `PathAdam.apply`.

        The gradients of one network have one shape for all networks. The gradients of several networks are added up in
        tensors of the parts' whole shapes. For Adam, a sum is as good as a mean.

        Args:
            loss_of: see `gradients`.
            lr: see `gradients`.
            hr: the target of all networks, or of the first one.
            networks: codes of the networks.
            distilled: if given, the loss of all networks but the first. Their target is the first's output, as a
                constant.
        """
        first = self.gradients(loss_of, lr, hr, networks[0])
        if len(networks) == 1:
            return first.loss, first.by_part
        loss, sums = first.loss, self._placed(first.by_part, networks[0])
        for codes in networks[1:]:
            target, wanted = (hr, loss_of) if distilled is None else (first.output, distilled)
            of_network = self.gradients(wanted, lr, target, codes)
            loss += of_network.loss
            sums = [total + own for total, own in zip(sums, self._placed(of_network.by_part, codes), strict=True)]
        return loss / len(networks), sums

    def _placed(self, gradients: Sequence[tf.Tensor], codes: Codes) -> list[tf.Tensor]:
        paths = self.paths(codes)
        pairs = zip(self.parts, gradients, strict=True)
        return [part.place(gradient, part.path(paths)) for part, gradient in pairs]


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

    def weights(codes: Codes) -> list[tf.Tensor]:
        return [part.weights_of_path(0) for part in own + aside]

    return TrainableModel(network, own + aside, losses, weights, states=states, aside=len(aside))


def trainable_supernet(supernet: Supernet) -> TrainableModel:
    """A supernet as a trainable model. Codes choose the network."""
    tables = functools.cache(_tables)
    each = [_parts(slot, position, tables) for position, slot in enumerate(supernet.slots)]
    parts = list(itertools.chain(*each))
    pieces_of = functools.cache(lambda replica, *shape: Pieces(supernet))
    finish = functools.cache(_with_output)

    def losses(loss_of: Loss, lr: tf.Tensor, target: tf.Tensor, codes: Codes, values: Sequence[tf.Tensor]) -> tuple:
        # Each size of patches has its own traces. The shapes of shared ones would depend on where a run was resumed.
        pieces = pieces_of(_replica(), *lr.shape)
        left = iter(values)
        # A slot's parts are its paths' own rows, then those of all paths. A path takes them the other way round.
        rows = [[next(left) for _ in parts][::-1] for parts in each]
        return pieces(lr, codes, rows, finish(loss_of), target)

    def read(paths: tf.Tensor) -> list[tf.Tensor]:  # one call: a call for each part would cost more than the reading
        with TRACING:
            return [part.weights_of_path(part.path(paths)) for part in parts]

    reading = functools.cache(lambda replica: tf.function(read, autograph=False))

    def weights(codes: Codes) -> list[tf.Tensor]:
        return reading(_replica())(tf.constant(supernet.space.paths(codes), tf.int32))

    return TrainableModel(supernet, parts, losses, weights, supernet.space.paths, composed=True)


def _replica() -> int:
    """The number of the device that this thread computes for. Each device has its own traces."""
    return int(tf.distribute.get_replica_context().replica_id_in_sync_group)


def _with_output(loss_of: Loss) -> Callable[[tf.Tensor, tf.Tensor], tuple]:
    """(output, target) -> what `loss_of` gives, and the output."""
    return lambda output, target: (*loss_of(output, target), output)


def _parts(slot: Slot, position: int, tables: Callable[[Placement], tuple]) -> list[Part]:
    """The parts of a slot, in the order of its variables: the paths' own weights, and those of all paths."""
    own = [] if slot.own is None else [Part(slot.own.value, position, *tables(slot.placement))]
    return own + ([] if slot.common is None else [Part(slot.common.value)])


def _tables(here: Placement) -> tuple:
    """`rows`, `lengths` and `used` of the part that holds a slot's own rows."""
    paths = range(len(here))
    lengths = np.array([len(here.rows_of(path)) for path in paths], np.int32)
    rows = np.zeros((len(here), max(lengths)), np.int32)
    used = np.zeros((*rows.shape, ROW), bool)
    for path in paths:
        rows[path, : lengths[path]] = here.rows_of(path)
        used[path, : lengths[path]] = here.used(path)
    return rows, lengths, tf.constant(used) if here.shares else None
