"""How a gradient moves weights: Adam, with or without weight decay, and Muon. In `keras.ops` alone, as the losses are.

So that a training on another backend of Keras takes the same steps.
"""

import math
from collections.abc import Callable
from typing import Any

from keras import ops

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MOMENTUM, ITERATIONS, COEFFICIENTS = 0.95, 5, (3.4445, -4.7750, 2.0315)
"""Of Muon, as its author has them (Jordan et al. 2024)."""
RMS = 0.2
"""Of Muon's steps at learning rate 1: that of Adam's, so that both take the same rate (Liu et al. 2025)."""

Tensor = Any
"""Of Keras' backend."""
Moved = tuple[Tensor, Tensor, Tensor]
Rule = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Moved]
"""(gradient, first moment, second moment, weights, steps so far with this one, rate) -> new moments and weights."""


def adam(decay: float = 0.0) -> Rule:
    """Adam (Kingma and Ba 2015); AdamW with a weight decay (Loshchilov and Hutter 2019)."""

    def move(gradient, m, v, w, count, rate) -> Moved:
        new_m = BETA1 * m + (1 - BETA1) * gradient
        new_v = BETA2 * v + (1 - BETA2) * ops.square(gradient)
        corrected_m = new_m / _one_less_power(BETA1, count)
        corrected_v = new_v / _one_less_power(BETA2, count)
        return new_m, new_v, _decayed(w, decay, rate) - rate * corrected_m / (ops.sqrt(corrected_v) + EPSILON)

    return move


ADAM = adam()
"""As IMDN's authors use it."""


def muon(decay: float = 0.0) -> Rule:
    """Muon, of a kernel as a matrix of its inputs by its outputs; the second moment stays as it is."""

    def move(gradient, m, v, w, count, rate) -> Moved:
        new_m = MOMENTUM * m + gradient
        matrix = ops.reshape(gradient + MOMENTUM * new_m, (-1, w.shape[-1]))
        step = RMS * math.sqrt(max(matrix.shape)) * _orthogonal(matrix)
        return new_m, v, _decayed(w, decay, rate) - rate * ops.reshape(step, w.shape)

    return move


def _decayed(w, decay: float, rate) -> Tensor:
    return w - rate * decay * w if decay else w


def _orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix whose singular values are all 1, by Newton and Schulz's iteration."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if tall else matrix
    x /= ops.norm(x) + 1e-7
    for _ in range(ITERATIONS):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.transpose(x) if tall else x


def _one_less_power(beta: float, count: Tensor) -> Tensor:
    """1 - beta^count."""
    if len(count.shape) == 0:
        return 1 - ops.power(beta, count)
    return -ops.expm1(count * math.log(beta))  # of many counts, powers take five times as long


def _is_matrix(variable: Tensor) -> bool:
    """Whether Muon moves it: a kernel that mixes features; not biases, filters of single channels, or the first one."""
    return len(variable.shape) in (2, 4) and variable.shape[-2] > 3


def rules_of(optimizer: str, decay: float) -> Callable[[Tensor], Rule]:
    """The rule of each variable, as `--optimizer` and `--weight_decay` ask for it."""
    usual = adam(decay)
    if optimizer != "muon":
        return lambda variable: usual
    kernels = muon(decay)
    return lambda variable: kernels if _is_matrix(variable) else usual
