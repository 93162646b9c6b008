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
        elements: int32, where paths share elements of the variable: their places in it, of which segments are segments.
        users: bool [paths, elements], which path uses what, where `elements` are given.
    """

    variable: tf.Variable
    starts: np.ndarray | None = None
    lengths: np.ndarray | None = None
    position: int = 0
    elements: tf.Tensor | None = None
    users: tf.Tensor | None = None

    def code(self, codes: tf.Tensor) -> tf.Tensor | int:
        """The number of the segment that the codes choose; 0 for the whole."""
        return 0 if self.starts is None else codes[self.position]

    def used(self, paths: tf.Tensor) -> tf.Tensor:
        """Which elements some of the paths use, bool [elements]; of a part with `elements`."""
        return tf.reduce_any(tf.gather(self.users, paths[:, self.position]), axis=0)

    def span(self, code: tf.Tensor | int) -> tuple[list, list] | None:
        """Begin and size of a segment, as `tf.slice` takes them; None for the whole."""
        return None if self.starts is None else ([tf.gather(self.starts, code)], [tf.gather(self.lengths, code)])

    def read(self, codes: tf.Tensor) -> tf.Tensor:
        """What the codes use of the variable."""
        span = self.span(self.code(codes))
        if span is None:
            return tf.convert_to_tensor(self.variable)
        if self.elements is None:
            return tf.slice(self.variable, *span)
        return tf.gather(self.variable, tf.slice(self.elements, *span))

    def place(self, value: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """What the codes use, in its place in zeros of the variable's shape: the inverse of `read`."""
        span = self.span(self.code(codes))
        if span is None:
            return value
        if self.elements is not None:
            return tf.scatter_nd(tf.slice(self.elements, *span)[:, None], value, self.variable.shape)
        [start], [size] = span
        [whole] = self.variable.shape
        return tf.ensure_shape(tf.pad(value, [[start, whole - start - size]]), [whole])


class Lesson(NamedTuple):
    """What one path learns from one batch.

    Attributes:
        loss: float [].
        gradients: by what the path uses of each part.
        output: the path's, float [batch, height * scale, width * scale, 3].
    """

    loss: tf.Tensor
    gradients: list[tf.Tensor]
    output: tf.Tensor


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

    def lesson(self, loss_of: Loss, lr: tf.Tensor, hr: tf.Tensor, codes: tf.Tensor) -> Lesson:
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
            output = self.forward(lr, codes, values)
            loss, scaled = loss_of(output, hr)
        # Layers read whole variables themselves; the path's segments reach them as arguments.
        pairs = zip(self.parts, values, strict=True)
        sources = [part.variable if part.starts is None else value for part, value in pairs]
        return Lesson(loss, tape.gradient(scaled, sources), output)

    def loss_and_gradients(
        self, loss_of: Loss, lr: tf.Tensor, hr: tf.Tensor, paths: tf.Tensor, distilled: Loss | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The mean of the losses of some paths on one batch, and the gradients of their sum, for `PathAdam.apply`.

        The gradient of one path is by what it uses of each part. Several are added up, one path after the other, in
        tensors of the parts' whole shapes: memory is that of one path and one gradient of all weights, and the graph
        holds one path, however many there are. Adam does not see that a sum is larger than a mean.

        Args:
            loss_of: as `lesson` takes it.
            lr: likewise.
            hr: likewise.
            paths: int32 [paths, depth], their number known when the graph is made.
            distilled: where given, the paths after the first learn the first's output, which is constant to them,
                instead of `hr`, by this loss.
        """
        count = paths.shape[0]
        if count == 1:
            return self.lesson(loss_of, lr, hr, paths[0])[:2]

        def loss_at(i, output, target):
            if not distilled:
                return loss_of(output, target)
            both = zip(loss_of(output, target), distilled(output, target), strict=True)
            return tuple(tf.where(i == 0, first, later) for first, later in both)

        def add(i, target, loss, sums):
            lesson = self.lesson(lambda *pair: loss_at(i, *pair), lr, target, paths[i])
            each = zip(self.parts, sums, lesson.gradients, strict=True)
            sums = [total + part.place(gradient, paths[i]) for part, total, gradient in each]
            if distilled:
                target = tf.where(i == 0, tf.ensure_shape(lesson.output, hr.shape), target)
            return i + 1, target, loss + lesson.loss, sums

        none_yet = (0, hr, 0.0, [tf.zeros(part.variable.shape) for part in self.parts])
        *_, loss, sums = tf.while_loop(lambda i, *_: i < count, add, none_yet, parallel_iterations=1)
        return loss / count, sums


def whole(network: Net) -> Trainee:
    """A network on its own."""
    parts = [Part(v.value) for v in network.trainable_variables]
    states = [v.value for v in network.non_trainable_variables]
    return Trainee(network, parts, lambda lr, codes, values: network(lr, training=True), states)


def single_path(supernet: Supernet) -> Trainee:
    """A supernet, of which the codes choose the path."""
    compile_choice(supernet)
    layout, elements = supernet.blocks[0].layout, supernet.blocks[0].elements
    users = None if elements is None else tf.constant(layout.users)
    positions = {id(block.paths): i for i, block in enumerate(supernet.blocks)}
    parts = []
    for variable in supernet.trainable_variables:
        if id(variable) in positions:
            position = positions[id(variable)]
            parts.append(Part(variable.value, layout.starts, layout.lengths, position, elements, users))
        else:
            parts.append(Part(variable.value))
    places = [i for i, part in enumerate(parts) if part.starts is not None]

    def forward(lr: tf.Tensor, codes: tf.Tensor, values: Sequence) -> tf.Tensor:
        return supernet(lr, codes, [values[i] for i in places])

    return Trainee(supernet, parts, forward)


def compile_choice(supernet: Supernet) -> None:
    """Traces the switch once for all blocks, anew where it was compiled before.

    Its weights are arguments, so gradients flow through it exactly.
    """
    options = {"reduce_retracing": True, "experimental_attributes": ONE_COPY}
    supernet.choose = tf.function(plain_choice(supernet), **options)


def plain_choice(supernet: Supernet) -> Callable:
    """The switch as it was before it was compiled: what traces it shares nothing with other traces."""
    return getattr(supernet.choose, "python_function", supernet.choose)
