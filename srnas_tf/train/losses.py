"""What a step makes small: the distance of an output from the photograph. In `keras.ops` alone."""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any
"""Of Keras' backend."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""(output, photograph), float32 [batch, height, width, 3] in 0..1 -> float32 []."""

EPSILON = 1e-3
"""Of `charbonnier`: below it, an error counts as its square does. In 0..1; as in Lai et al. 2017."""


def l1(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error."""
    return ops.mean(ops.abs(output - wanted))


def charbonnier(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error, its corner at zero rounded."""
    return ops.mean(ops.sqrt(ops.square(output - wanted) + EPSILON**2))


def l2(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean squared error."""
    return ops.mean(ops.square(output - wanted))


def frequency(output: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute error of the Fourier transform's real and imaginary parts, of each channel of a patch.

    The transform is not normalized, as in SMFANet's training (Zheng et al. 2024), whose weight of it is 0.05.
    """
    by_rows = ops.rfft(ops.transpose(output - wanted, (0, 3, 1, 2)))
    real, imaginary = ops.fft(tuple(ops.swapaxes(part, 2, 3) for part in by_rows))
    return (ops.mean(ops.abs(real)) + ops.mean(ops.abs(imaginary))) / 2


LOSSES: dict[str, Distance] = {"l1": l1, "charbonnier": charbonnier, "l2": l2}


def loss_of(name: str, frequency_weight: float) -> Distance:
    """The loss that `--loss` and `--frequency_loss` ask for."""
    base = LOSSES[name]
    if not frequency_weight:
        return base
    return lambda output, wanted: base(output, wanted) + frequency_weight * frequency(output, wanted)
