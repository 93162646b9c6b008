"""Update rules of the optimizers: Adam, with or without weight decay, and Muon.

They use `keras.ops` only, as the losses do. A training on another backend of Keras therefore takes the same steps.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from keras import ops

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MOMENTUM, ITERATIONS, COEFFICIENTS = 0.95, 5, (3.4445, -4.7750, 2.0315)
"""Hyperparameters of Muon, as its author chose them (Jordan et al. 2024)."""
RMS = 0.2
"""Root mean square of Muon's steps at learning rate 1.

It is about that of Adam, so that the same learning rate suits both (Liu et al. 2025).
"""

Tensor = Any
"""A tensor of Keras' backend."""
Moved = tuple[Tensor, Tensor, Tensor]
Rule = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Moved]
"""(gradient, first moment, second moment, weights, number of this step from 1, rate) -> new moments and weights.

The first four are those of one variable, or of several of one shape, stacked along a first axis.
"""


def adam(decay: float = 0.0) -> Rule:
    """The rule of Adam (Kingma and Ba 2015); with a weight decay that of AdamW (Loshchilov and Hutter 2019)."""

    def move(gradient, m, v, w, count, rate) -> Moved:
        new_m = BETA1 * m + (1 - BETA1) * gradient
        new_v = BETA2 * v + (1 - BETA2) * ops.square(gradient)
        corrected_m = new_m / _one_less_power(BETA1, count)
        corrected_v = new_v / _one_less_power(BETA2, count)
        return new_m, new_v, _decayed(w, decay, rate) - rate * corrected_m / (ops.sqrt(corrected_v) + EPSILON)

    return move


ADAM = adam()
"""Adam as IMDN's authors use it, without weight decay."""


def muon(rank: int, decay: float = 0.0) -> Rule:
    """The rule of Muon for kernels of some rank, as matrices of inputs by outputs. It uses no second moment."""

    def move(gradient, m, v, w, count, rate) -> Moved:
        new_m = MOMENTUM * m + gradient
        matrix = ops.reshape(gradient + MOMENTUM * new_m, (*w.shape[:-rank], -1, w.shape[-1]))
        step = RMS * math.sqrt(max(matrix.shape[-2:])) * _orthogonal(matrix)
        return new_m, v, _decayed(w, decay, rate) - rate * ops.reshape(step, w.shape)

    return move


def _decayed(w, decay: float, rate) -> Tensor:
    return w - rate * decay * w if decay else w


def _orthogonal(matrix: Tensor) -> Tensor:
    """Approximates the nearest matrix whose singular values are all 1, by Newton-Schulz iteration.

    Axes before the last two count matrices.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = ops.swapaxes(matrix, -2, -1) if tall else matrix
    x /= ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True)) + 1e-7
    for _ in range(ITERATIONS):
        square = ops.matmul(x, ops.swapaxes(x, -2, -1))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.swapaxes(x, -2, -1) if tall else x


def _one_less_power(beta: float, count: Tensor) -> Tensor:
    """1 - beta^count."""
    if len(count.shape) == 0:
        return 1 - ops.power(beta, count)
    return -ops.expm1(count * math.log(beta))  # for many counts, powers take five times as long


def _is_matrix(variable: Tensor) -> bool:
    """Returns True if Muon updates a variable: a kernel that mixes channels, but not the kernel of the first layer.

    Adam updates all others: biases, depthwise kernels, and the first kernel.
    """
    return len(variable.shape) in (2, 4) and variable.shape[-2] > 3


def rules_of(optimizer: str, decay: float) -> Callable[[Tensor], Rule]:
    """Maps a variable to its rule.

    Args:
        optimizer: value of `--optimizer`.
        decay: value of `--weight_decay`.
    """
    usual = adam(decay)
    if optimizer != "muon":
        return lambda variable: usual
    kernels = functools.cache(lambda rank: muon(rank, decay))
    return lambda variable: kernels(len(variable.shape)) if _is_matrix(variable) else usual
