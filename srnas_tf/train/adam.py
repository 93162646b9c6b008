"""Adam that leaves alone what the sampled paths do not use."""

from collections.abc import Sequence

import tensorflow as tf

from srnas_tf.train.trainee import Part

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
_SCALE_UP_AFTER = 2000


class PathAdam(tf.Module):
    """Adam (Kingma and Ba 2015) over parts of variables, inside `strategy.run`.

    What a step does not use keeps its weights and both its moments to the bit. Each segment counts its own steps, and
    where paths share elements, each element: so its bias correction is that of the steps it took part in, which is what
    an optimizer does that is handed no gradient for the other weights. Gradients that are not finite change nothing,
    and are counted in `rejected`.

    Args:
        parts: what to train. Create the optimizer where their variables were created: in the strategy's scope.
        ema: decay of a moving average of the weights, kept in `averages`; 0 keeps none.
        loss_scaling: whether losses are scaled against float16's underflow (dynamic: halved where gradients
            overflow, doubled after 2000 steps without).
    """

    def __init__(self, parts: Sequence[Part], ema: float = 0.0, loss_scaling: bool = False) -> None:
        super().__init__("path_adam")
        self._parts = list(parts)
        self._ema, self.scales = ema, loss_scaling
        self.first = [_zeros(part.variable.shape) for part in parts]
        self.second = [_zeros(part.variable.shape) for part in parts]
        self.counts = [_zeros(_counted(part)) for part in parts]
        self.averages = [_like(part.variable) for part in parts] if ema else []
        self.rejected = _zeros((), tf.int64)
        self.scale = _zeros(())
        self.scale.assign(2.0**15 if loss_scaling else 1.0)
        self._good_steps = _zeros((), tf.int64)

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor, paths: tf.Tensor) -> None:
        """One step; call it in replica context with this replica's share of the gradients of the scaled loss.

        Args:
            gradients: of each part: by its segment for one path, by the whole part for several.
            rate: the learning rate, float [].
            paths: int32 [paths, depth]. What several of them use moves once.
        """
        replica = tf.distribute.get_replica_context()
        summed = list(gradients)
        if replica.num_replicas_in_sync > 1:  # TensorFlow keeps the graph of each all_reduce until the process ends
            summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, summed)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in summed])
        replica.merge_call(self._merge, args=(summed, rate, paths, finite))

    def _merge(self, strategy, gradients, rate, paths, finite) -> None:
        update = strategy.extended.update
        for i, (part, gradient) in enumerate(zip(self._parts, gradients, strict=True)):
            state = (self.first[i], self.second[i], self.counts[i], self.scale)
            average = (self.averages[i],) if self._ema else ()
            move = self._mover(part)
            update(part.variable, move, args=(gradient, rate, paths, finite, *state, *average), group=False)
        update(self.rejected, lambda rejected, ok: rejected.assign_add(tf.cast(~ok, tf.int64)), args=(finite,))
        if self.scales:
            update(self.scale, _rescale, args=(self._good_steps, finite), group=False)

    def _mover(self, part: Part):
        ema = self._ema

        def advance(span, count, moves, variable, gradient, rate, first, second, scale, *averages):
            gradient = gradient / scale if self.scales else gradient
            m, v, w = (_get(x, span) for x in (first, second, variable))
            new_m = BETA1 * m + (1 - BETA1) * gradient
            new_v = BETA2 * v + (1 - BETA2) * tf.square(gradient)
            corrected_m = new_m / (1 - tf.pow(BETA1, count))
            corrected_v = new_v / (1 - tf.pow(BETA2, count))
            new_w = w - rate * corrected_m / (tf.sqrt(corrected_v) + EPSILON)
            for target, new, old in ((first, new_m, m), (second, new_v, v), (variable, new_w, w)):
                _set(target, span, tf.where(moves, new, old))
            for average in averages:
                decay = tf.minimum(ema, (1 + count) / (10 + count))  # young averages forget their beginning sooner
                old = _get(average, span)
                _set(average, span, tf.where(moves, decay * old + (1 - decay) * new_w, old))

        def move_segment(code, variable, gradient, rate, finite, first, second, counts, *state):
            count = counts[code] + 1.0
            advance(part.span(code), count, finite, variable, gradient, rate, first, second, *state)
            counts.scatter_add(tf.IndexedSlices(tf.cast(finite, tf.float32), code))

        def move_shared(variable, gradient, rate, paths, finite, first, second, counts, *state):
            moves = finite & part.used(paths)
            advance(None, counts + 1.0, moves, variable, gradient, rate, first, second, *state)
            counts.assign_add(tf.cast(moves, tf.float32))

        def move(variable, gradient, rate, paths, *state):
            if part.elements is not None:
                whole = part.place(gradient, paths[0]) if paths.shape[0] == 1 else gradient
                move_shared(variable, whole, rate, paths, *state)
                return
            if part.starts is None or paths.shape[0] == 1:
                move_segment(part.code(paths[0]), variable, gradient, rate, *state)
                return
            used, _ = tf.unique(paths[:, part.position])

            def move_next(i):
                move_segment(used[i], variable, _get(gradient, part.span(used[i])), rate, *state)
                return (i + 1,)

            tf.while_loop(lambda i: i < tf.size(used), move_next, (0,), parallel_iterations=1)

        return move


def _counted(part: Part) -> int:
    """How many things of a part count their own steps."""
    if part.elements is not None:
        return part.variable.shape[0]
    return 1 if part.starts is None else len(part.starts)


def _zeros(shape, dtype=tf.float32) -> tf.Variable:
    return tf.Variable(tf.zeros(shape, dtype), trainable=False)


def _like(variable) -> tf.Variable:
    average = _zeros(variable.shape)
    average.assign(variable)
    return average


def _get(variable, span) -> tf.Tensor:
    return tf.convert_to_tensor(variable) if span is None else tf.slice(variable, *span)


def _set(variable, span, value: tf.Tensor) -> None:
    if span is None:
        variable.assign(value)
    else:
        [start], [size] = span
        variable[start : start + size].assign(value)


def _rescale(scale, good_steps, finite) -> None:
    streak = tf.cast(finite, tf.int64) * (good_steps + 1)
    grown = tf.where(streak >= _SCALE_UP_AFTER, scale * 2, scale)
    scale.assign(tf.where(finite, grown, tf.maximum(scale / 2, 1.0)))
    good_steps.assign(streak % _SCALE_UP_AFTER)
