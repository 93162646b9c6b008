"""The losses between an output and the high-resolution image. They use `keras.ops` only."""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any
"""A tensor of Keras' backend."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""(output, image), float32 [batch, height, width, 3] in 0..1 -> float32 []."""

EPSILON = 1e-3
"""`charbonnier` is quadratic for errors below this, in units of 0..1 (Lai et al. 2017)."""


def l1(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error."""
    return ops.mean(ops.abs(output - wanted))


def charbonnier(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error, smooth at zero."""
    return ops.mean(ops.sqrt(ops.square(output - wanted) + EPSILON**2))


def l2(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean squared error."""
    return ops.mean(ops.square(output - wanted))


def frequency(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error of the real and imaginary parts of the Fourier transform, by channel and patch.

    The transform is not normalized. SMFANet's training (Zheng et al. 2024) does the same, and weighs it by 0.05.
    """
    by_rows = ops.rfft(ops.transpose(output - wanted, (0, 3, 1, 2)))
    real, imaginary = ops.fft(tuple(ops.swapaxes(part, 2, 3) for part in by_rows))
    return (ops.mean(ops.abs(real)) + ops.mean(ops.abs(imaginary))) / 2


LOSSES: dict[str, Distance] = {"l1": l1, "charbonnier": charbonnier, "l2": l2}


def loss_of(name: str, frequency_weight: float) -> Distance:
    """The loss of `--loss` and `--frequency_loss`."""
    base = LOSSES[name]
    if not frequency_weight:
        return base
    return lambda output, wanted: base(output, wanted) + frequency_weight * frequency(output, wanted)
