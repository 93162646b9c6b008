"""The training step: pure functions in `keras.ops`, which come to what `srnas_tf.train` comes to."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from benchmarks.gpu.backend import Backend
from benchmarks.gpu.images import gather
from srnas_tf.train.losses import loss_of
from srnas_tf.train.rules import rules_of
from srnas_tf.train.settings import Phase, TrainSettings

State = dict[str, Any]
"""What a step changes, by name: `weights`, `first` and `second` moments, `averages` and `states`, each a list; `count`
and `rejected`, numbers."""


def first_state(weights: list[np.ndarray], states: list[np.ndarray]) -> State:
    """Before the first step.

    Args:
        weights: that are trained, in the order of the network's trainable variables.
        states: in the order of its other variables.
    """
    zeros = [np.zeros_like(weight) for weight in weights]
    return {
        "weights": weights, "first": zeros, "second": zeros, "averages": weights, "states": states,
        "count": np.float32(0), "rejected": np.float32(0),
    }  # fmt: skip


def on_device(state: State) -> State:
    """The state as tensors, each of its own."""
    return keras.tree.map_structure(lambda each: ops.convert_to_tensor(np.array(each)), state)


def make_step(backend: Backend, network: keras.Model, settings: TrainSettings, phase: Phase) -> Callable:
    """A step of a phase: (state, pixels, lines, rate, active) -> (state, loss).

    It takes the pixels of all photographs (`Photographs.pixels`), where the batch lies among them, the learning rate,
    and whether it changes anything: a call has always as many steps, so that it is compiled once, and the last ones of
    a training may be too many. What is not finite changes nothing, and is counted.
    """
    distance = loss_of(phase.loss, phase.frequency_loss)
    rule_of = rules_of(settings.optimizer, settings.weight_decay)
    rules = [rule_of(variable) for variable in network.trainable_variables]
    variables = (*network.trainable_variables, *network.non_trainable_variables)
    scale = network.network.scale

    def unit(levels):
        return ops.cast(levels, "float32") / 255.0

    def step(state: State, pixels, lines, rate, active):
        lr = unit(gather(pixels[0], lines[:, 0], phase.patch))
        hr = unit(gather(pixels[1], lines[:, 1], phase.patch * scale))

        def loss_of_weights(weights):
            values = zip(variables, (*weights, *state["states"]), strict=True)
            with keras.StatelessScope(list(values)) as scope:
                sr = network(lr, training=True)
            states = [scope.get_current_value(variable) for variable in network.non_trainable_variables]
            return distance(sr, hr), states

        (loss, states), gradients = backend.gradients(loss_of_weights, state["weights"])
        finite = ops.all(ops.stack([ops.all(ops.isfinite(each)) for each in gradients]))
        moves = ops.logical_and(finite, active)
        count = state["count"] + 1.0
        decay = ops.minimum(settings.ema, (1 + count) / (10 + count))
        new: State = {"first": [], "second": [], "weights": [], "averages": [], "states": states, "count": count}
        for i, (rule, gradient) in enumerate(zip(rules, gradients, strict=True)):
            w, average = state["weights"][i], state["averages"][i]
            m, v, new_w = rule(gradient, state["first"][i], state["second"][i], w, count, rate)
            averaged = decay * average + (1 - decay) * new_w
            for name, value in (("first", m), ("second", v), ("weights", new_w), ("averages", averaged)):
                new[name].append(value)
        kept = {name: state[name] for name in new}
        moved = keras.tree.map_structure(lambda value, old: ops.where(moves, value, old), new, kept)
        lost = ops.cast(ops.logical_and(active, ops.logical_not(finite)), "float32")
        return {**moved, "rejected": state["rejected"] + lost}, loss

    return step


def as_sums(x, kernel, strides=1, padding="same", data_format=None, dilation_rate=1):
    """`keras.ops.depthwise_conv`; with "same" padding and a filter a channel, as a sum of shifted products.

    Compilers make one loop of it. Their own depthwise convolution may be far slower on a GPU, above all its gradients.
    """
    if strides != 1 or padding != "same" or kernel.shape[3] != 1:
        return DEPTHWISE["conv"](x, kernel, strides, padding, data_format, dilation_rate)
    size, height, width = kernel.shape[0], x.shape[1], x.shape[2]
    margin = (size - 1) * dilation_rate
    around = (margin // 2, margin - margin // 2)
    padded = ops.pad(x, ((0, 0), around, around, (0, 0)))
    kernel = ops.cast(kernel, x.dtype)
    parts = [
        padded[:, i * dilation_rate :][:, :height][:, :, j * dilation_rate :][:, :, :width] * kernel[i, j, :, 0]
        for i in range(size)
        for j in range(size)
    ]
    return sum(parts[1:], parts[0])


DEPTHWISE = {"conv": ops.depthwise_conv, "sums": as_sums}
"""How a depthwise convolution is computed, by `--depthwise`."""
