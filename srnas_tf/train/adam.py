"""Adam that changes only the weights of the sampled paths."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from srnas_tf.train.rules import ADAM, Rule
from srnas_tf.train.trainable import Part

_SCALE_UP_AFTER = 2000


class PathAdam(tf.Module):
    """Updates parts of variables by Adam or another rule, inside `strategy.run`.

    All other weights and their moments stay bit-identical. Each path counts its own steps; if paths share rows, each
    number does. The bias correction therefore depends on the steps that a path took part in. This equals an optimizer
    that gets no gradients for the other weights. Gradients that are not finite change nothing; `rejected` counts them.

    Args:
        parts: the weights to train. Create the optimizer in the scope of the strategy, like their variables.
        ema: decay of a moving average of the weights, in `averages`; 0 keeps no average.
        loss_scaling: whether losses are scaled, against the underflow of float16. The scale is halved if gradients
            overflow, and doubled after 2000 steps without overflow.
        rule_of: variable -> its rule. If a step uses only some rows of a variable, its rule must be elementwise, like
            Adam and AdamW.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        ema: float = 0.0,
        loss_scaling: bool = False,
        rule_of: Callable[[tf.Variable], Rule] = lambda variable: ADAM,
    ) -> None:
        super().__init__("path_adam")
        self._rules = [rule_of(part.variable) for part in parts]
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
        alike: dict[tuple, list[int]] = {}
        for i, part in enumerate(parts):
            if part.rows is None:
                alike.setdefault((self._rules[i], *part.variable.shape), []).append(i)
        self._whole = list(alike.values())
        self._by_rows = [i for i, part in enumerate(parts) if part.rows is not None]

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor, paths: tf.Tensor) -> None:
        """Takes one step. Call it in replica context, with this replica's share of the gradients of the scaled loss.

        Args:
            gradients: for each part, those of its rows for one network (filled up, as `Part.weights_of_path` is), those
                of the whole part for several.
            rate: the learning rate, float [].
            paths: int32 [networks, slots]. Weights that several networks use move once.
        """
        replica = tf.distribute.get_replica_context()
        summed = list(gradients)
        if replica.num_replicas_in_sync > 1:  # TensorFlow keeps the graph of each all_reduce until the process ends
            placed = [tf.identity(gradient) for gradient in summed]  # on a device, as arguments of a trace are not
            summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, placed)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in summed])
        replica.merge_call(self._merge, args=(summed, rate, paths, finite))

    def _merge(self, strategy, gradients, rate, paths, finite) -> None:
        update = strategy.extended.update
        for alike in self._whole:
            first = alike[0]
            of_each = [(gradients[i], self.counts[i], *self._state(i)) for i in alike]
            update(
                self._parts[first].variable, self._move_whole,
                args=(self._rules[first], rate, finite, self.scale, *zip(*of_each, strict=True)), group=False,
            )  # fmt: skip
        for i in self._by_rows:
            part = self._parts[i]
            given = (gradients[i], rate, paths, finite, self.scale, self.counts[i], *self._state(i))
            update(part.variable, self._mover(part, self._rules[i]), args=given, group=False)
        update(self.rejected, lambda rejected, ok: rejected.assign_add(tf.cast(~ok, tf.int64)), args=(finite,))
        if self.scales:
            update(self.scale, _rescale, args=(self._good_steps, finite), group=False)

    def _state(self, i: int) -> tuple:
        """The variables of a part that `_moved` moves."""
        return (self.first[i], self.second[i], self._parts[i].variable, *self.averages[i : i + 1])

    def _move_whole(self, variable, rule: Rule, rate, finite, scale, gradients, counts, *targets) -> None:
        """Updates variables of one shape and rule, each as a whole. They have taken equally many steps.

        One by one, a network's hundreds of small variables would take thousands of operations.
        """
        gradients = [gradient / scale for gradient in gradients] if self.scales else gradients
        gradient, *values = (tf.stack([tf.convert_to_tensor(each) for each in some]) for some in (gradients, *targets))
        *values, count = self._moved(rule, finite, gradient, rate, tf.convert_to_tensor(counts[0]), *values)
        for some, value in zip(targets, values, strict=True):
            for target, own in zip(some, tf.unstack(value), strict=True):
                target.assign(own)
        for each in counts:
            each.assign(count)

    def _moved(self, rule: Rule, moves, gradient, rate, taken, m, v, w, *averages) -> tuple[tf.Tensor, ...]:
        """New moments, weights and averages, and the number of steps so far, of which there were `taken`."""
        count = taken + 1.0
        new_m, new_v, new_w = rule(gradient, m, v, w, count, rate)
        decay = tf.minimum(self._ema, (1 + count) / (10 + count))  # young averages forget their beginning sooner
        new = (new_m, new_v, new_w, *(decay * old + (1 - decay) * new_w for old in averages), count)
        old = (m, v, w, *averages, taken)
        return tuple(tf.where(moves, *each) for each in zip(new, old, strict=True))

    def _mover(self, part: Part, rule: Rule):
        """Updates the paths' rows of a variable."""

        def advance(rows, counted, moves, gradient, rate, scale, counts, *targets):
            """Updates some rows of the variable, or all of it if `rows` is None.

            Args:
                rows: int32 [rows].
                counted: index of the steps in `counts`.
                moves: bool, the numbers to update; broadcasts to the rows' shape.
                gradient: float, of the rows' shape.
            """
            gradient = gradient / scale if self.scales else gradient
            count, values = _get(counts, counted), [_get(target, rows) for target in targets]
            *values, new_count = self._moved(rule, moves, gradient, rate, count, *values)
            for target, value in zip(targets, values, strict=True):
                _set(target, rows, value)
            _set(counts, counted, new_count)

        def move_path(path, gradient, finite, *state):
            rows = part.rows_of(path)
            advance(rows, path if part.used is None else rows, finite & part.uses(path), gradient, *state)

        def move(variable, gradient, rate, paths, finite, *state):
            taken = paths[:, part.position]
            if paths.shape[0] == 1:
                move_path(taken[0], part.cut(gradient, taken[0]), finite, rate, *state)
                return
            if part.used is not None:
                each = tf.unstack(taken)
                used = [part.place(tf.cast(part.uses(path), tf.float32), path) > 0 for path in each]
                advance(None, None, finite & tf.reduce_any(used, axis=0), gradient, rate, *state)
                return
            taken, _ = tf.unique(taken)

            def move_next(i):
                move_path(taken[i], tf.gather(gradient, part.rows_of(taken[i])), finite, rate, *state)
                return (i + 1,)

            tf.while_loop(lambda i: i < tf.size(taken), move_next, (0,), parallel_iterations=1)

        return move


def _counted(part: Part) -> tuple[int, ...]:
    """The shape of the step counts: one for the whole, for each path, or for each number."""
    if part.used is not None:
        return tuple(part.variable.shape)
    return () if part.lengths is None else part.lengths.shape


def _zeros(shape, dtype=tf.float32) -> tf.Variable:
    return tf.Variable(tf.zeros(shape, dtype), trainable=False)


def _like(variable) -> tf.Variable:
    average = _zeros(variable.shape)
    average.assign(variable)
    return average


def _get(variable, rows) -> tf.Tensor:
    """Some rows of a variable, or one number of it, read without a copy of the whole."""
    return tf.convert_to_tensor(variable) if rows is None else tf.gather(variable, rows)


def _set(variable, rows, value: tf.Tensor) -> None:
    if rows is None:
        variable.assign(value)
    else:
        variable.scatter_update(tf.IndexedSlices(value, rows))


def _rescale(scale, good_steps, finite) -> None:
    streak = tf.cast(finite, tf.int64) * (good_steps + 1)
    grown = tf.where(streak >= _SCALE_UP_AFTER, scale * 2, scale)
    scale.assign(tf.where(finite, grown, tf.maximum(scale / 2, 1.0)))
    good_steps.assign(streak % _SCALE_UP_AFTER)
