"""Adam that changes only the weights of the sampled paths."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from srnas_tf.train.rules import ADAM, Rule
from srnas_tf.train.trainable import Own, Part, Shared, Used

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
        self.counts = [_zeros(part.counted) for part in parts]
        self.averages = [_like(part.variable) for part in parts] if ema else []
        self.rejected = _zeros((), tf.int64)
        self.scale = _zeros(())
        self.scale.assign(2.0**15 if loss_scaling else 1.0)
        self._good_steps = _zeros((), tf.int64)
        alike: dict[tuple, list[int]] = {}
        for i, part in enumerate(parts):
            if not part.kind:
                alike.setdefault((self._rules[i], *part.variable.shape), []).append(i)
        self._whole = list(alike.values())
        self._by_rows = [i for i, part in enumerate(parts) if part.kind]

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor, used: Sequence[Used] = ()) -> None:
        """Takes one step. Call it in replica context, with this replica's share of the gradients of the scaled loss.

        Args:
            gradients: for each part, those of the weights that the step uses, as `Part.read` has them.
            rate: the learning rate, float [].
            used: the rows that the step uses, of each part that has a `kind`. Each moves once.
        """
        replica = tf.distribute.get_replica_context()
        summed = list(gradients)
        if replica.num_replicas_in_sync > 1:  # TensorFlow keeps the graph of each all_reduce until the process ends
            placed = [tf.identity(gradient) for gradient in summed]  # on a device, as arguments of a trace are not
            summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, placed)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in summed])
        replica.merge_call(self._merge, args=(summed, rate, used, finite))

    def _merge(self, strategy, gradients, rate, used, finite) -> None:
        update = strategy.extended.update
        for alike in self._whole:
            first = alike[0]
            of_each = [(gradients[i], self.counts[i], *self._state(i)) for i in alike]
            update(
                self._parts[first].variable, self._move_whole,
                args=(self._rules[first], rate, finite, self.scale, *zip(*of_each, strict=True)), group=False,
            )  # fmt: skip
        for i, own in zip(self._by_rows, used, strict=True):
            move = self._move_shared if isinstance(own, Shared) else self._move_paths
            given = (self._rules[i], rate, finite, self.scale, gradients[i], own, self.counts[i], *self._state(i))
            update(self._parts[i].variable, move, args=given, group=False)
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

    def _move_shared(self, variable, rule: Rule, rate, finite, scale, gradient, used: Shared, *state) -> None:
        """Updates some rows of a variable. Each of its numbers counts its own steps."""
        self._move_rows(rule, rate, finite & used.numbers, scale, gradient, used.rows, used.rows, *state)

    def _move_paths(self, variable, rule: Rule, rate, finite, scale, gradient, used: Own, *state) -> None:
        """Updates the rows of some paths. Each path counts its own steps."""
        if used.paths.shape[0] == 1:
            self._move_rows(rule, rate, finite, scale, gradient, used.rows, used.paths[0], *state)
            return

        def move_next(i, start):
            end = start + used.lengths[i]
            rows = used.rows[start:end]
            self._move_rows(rule, rate, finite, scale, gradient[start:end], rows, used.paths[i], *state)
            return i + 1, end

        tf.while_loop(lambda i, start: i < tf.size(used.paths), move_next, (0, 0), parallel_iterations=1)

    def _move_rows(self, rule: Rule, rate, moves, scale, gradient, rows, counted, counts, *targets) -> None:
        """Updates some rows of a variable.

        Args:
            moves: bool, the numbers to update; broadcasts to the rows' shape.
            gradient: float, of the rows' shape.
            rows: int32 [rows].
            counted: index of their steps in `counts`.
        """
        gradient = gradient / scale if self.scales else gradient
        values = [tf.gather(target, rows) for target in targets]
        *values, count = self._moved(rule, moves, gradient, rate, tf.gather(counts, counted), *values)
        for target, value in zip(targets, values, strict=True):
            target.scatter_update(tf.IndexedSlices(value, rows))
        counts.scatter_update(tf.IndexedSlices(count, counted))


def _zeros(shape, dtype=tf.float32) -> tf.Variable:
    return tf.Variable(tf.zeros(shape, dtype), trainable=False)


def _like(variable) -> tf.Variable:
    average = _zeros(variable.shape)
    average.assign(variable)
    return average


def _rescale(scale, good_steps, finite) -> None:
    streak = tf.cast(finite, tf.int64) * (good_steps + 1)
    grown = tf.where(streak >= _SCALE_UP_AFTER, scale * 2, scale)
    scale.assign(tf.where(finite, grown, tf.maximum(scale / 2, 1.0)))
    good_steps.assign(streak % _SCALE_UP_AFTER)
