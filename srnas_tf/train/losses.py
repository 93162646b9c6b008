"""The losses: distances of an output from the high-resolution image."""

from collections.abc import Callable

import tensorflow as tf

Distance = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(output, image), float32 [batch, height, width, 3] in 0..1 -> float32 []."""

EPSILON = 1e-3
"""`charbonnier` is quadratic for errors below this, in units of 0..1 (Lai et al. 2017)."""


def l1(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean absolute error."""
    return tf.reduce_mean(tf.abs(output - wanted))


def charbonnier(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean absolute error, smooth at zero."""
    return tf.reduce_mean(tf.sqrt(tf.math.squared_difference(output, wanted) + EPSILON**2))


def l2(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean squared error."""
    return tf.reduce_mean(tf.math.squared_difference(output, wanted))


def frequency(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean absolute error of the real and imaginary parts of the Fourier transform, by channel and patch.

    The transform is not normalized. SMFANet's training (Zheng et al. 2024) does the same, and weighs it by 0.05.
    """
    spectrum = tf.signal.rfft2d(tf.transpose(output - wanted, (0, 3, 1, 2)))
    return (tf.reduce_mean(tf.abs(tf.math.real(spectrum))) + tf.reduce_mean(tf.abs(tf.math.imag(spectrum)))) / 2


LOSSES: dict[str, Distance] = {"l1": l1, "charbonnier": charbonnier, "l2": l2}


def loss_of(name: str, frequency_weight: float) -> Distance:
    """The loss of `--loss` and `--frequency_loss`."""
    base = LOSSES[name]
    if not frequency_weight:
        return base
    return lambda output, wanted: base(output, wanted) + frequency_weight * frequency(output, wanted)
