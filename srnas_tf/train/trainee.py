"""What a step trains: a network, or one path of a supernet, seen through one interface."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from srnas_tf.nets import Net, Supernet

Loss = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

ONE_COPY = {"_noinline": True}
"""Options of a function that its callers call, and do not each hold and optimize a copy of. Such a graph is prepared in
a quarter of the time."""


class Part(NamedTuple):
    """A variable that the optimizer moves, and which part of it a step uses.

    Attributes:
        variable: what is moved; a vector where it is used in segments.
        starts: first element of each path's segment; None where every step uses the whole variable.
        lengths: elements of each segment.
        position: the place of the choice in the codes.
    """

    variable: tf.Variable
    starts: np.ndarray | None = None
    lengths: np.ndarray | None = None
    position: int = 0

    def span(self, codes: tf.Tensor) -> tuple[list, list] | None:
        """Begin and size of the segment that the codes choose, as `tf.slice` takes them; None for the whole."""
        if self.starts is None:
            return None
        code = codes[self.position]
        return [tf.gather(self.starts, code)], [tf.gather(self.lengths, code)]

    def read(self, codes: tf.Tensor) -> tf.Tensor:
        """What the codes use of the variable."""
        span = self.span(codes)
        return tf.convert_to_tensor(self.variable) if span is None else tf.slice(self.variable, *span)


class Trainee(NamedTuple):
    """A model to train.

    Attributes:
        model: the Keras model.
        parts: all that can be trained.
        forward: (lr float [batch, h, w, 3] in 0..1, codes int32 [depth], values of `parts`) -> sr.
        states: what a forward pass moves: statistics of norms.
    """

    model: Net | Supernet
    parts: list[Part]
    forward: Callable[[tf.Tensor, tf.Tensor, Sequence], tf.Tensor]
    states: Sequence[tf.Variable] = ()

    def loss_and_gradients(
        self, loss_of: Loss, lr: tf.Tensor, hr: tf.Tensor, codes: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """A loss of the output, and its gradient by what the codes use of each part.

        Args:
            loss_of: (output, what it should be) -> (loss to return, loss to differentiate).
            lr: float [batch, height, width, 3] in 0..1.
            hr: float [batch, height * scale, width * scale, 3] in 0..1.
            codes: int32 [depth].
        """
        with tf.GradientTape() as tape:
            values = [part.read(codes) for part in self.parts]
            tape.watch(values)
            loss, scaled = loss_of(self.forward(lr, codes, values), hr)
        # Layers read whole variables themselves; the path's segments reach them as arguments.
        pairs = zip(self.parts, values, strict=True)
        return loss, tape.gradient(scaled, [part.variable if part.starts is None else value for part, value in pairs])


def whole(network: Net) -> Trainee:
    """A network on its own."""
    parts = [Part(v.value) for v in network.trainable_variables]
    states = [v.value for v in network.non_trainable_variables]
    return Trainee(network, parts, lambda lr, codes, values: network(lr, training=True), states)


def single_path(supernet: Supernet) -> Trainee:
    """A supernet, of which the codes choose the path."""
    compile_choice(supernet)
    choices = {id(block.paths): (i, block) for i, block in enumerate(supernet.blocks)}
    parts = []
    for variable in supernet.trainable_variables:
        if id(variable) in choices:
            position, block = choices[id(variable)]
            parts.append(Part(variable.value, block.starts, block.lengths, position))
        else:
            parts.append(Part(variable.value))
    places = [i for i, part in enumerate(parts) if part.starts is not None]

    def forward(lr: tf.Tensor, codes: tf.Tensor, values: Sequence) -> tf.Tensor:
        return supernet(lr, codes, [values[i] for i in places])

    return Trainee(supernet, parts, forward)


def compile_choice(supernet: Supernet) -> None:
    """Traces the switch once for all blocks; its weights are arguments, so gradients flow through it exactly."""
    supernet.choose = tf.function(supernet.choose, reduce_retracing=True, experimental_attributes=ONE_COPY)
