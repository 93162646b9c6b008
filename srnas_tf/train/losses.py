"""What a step makes small: the distance of an output from the photograph."""

from collections.abc import Callable

import tensorflow as tf

Distance = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(output, photograph), float32 [batch, height, width, 3] in 0..1 -> float32 []."""

EPSILON = 1e-3
"""Of `charbonnier`: below it, an error counts as its square does. In 0..1; as in Lai et al. 2017."""


def l1(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean absolute error."""
    return tf.reduce_mean(tf.abs(output - wanted))


def charbonnier(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean absolute error, its corner at zero rounded."""
    return tf.reduce_mean(tf.sqrt(tf.math.squared_difference(output, wanted) + EPSILON**2))


def l2(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean squared error."""
    return tf.reduce_mean(tf.math.squared_difference(output, wanted))


def frequency(output: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The mean absolute error of the Fourier transform's real and imaginary parts, of each channel of a patch.

    The transform is not normalized, as in SMFANet's training (Zheng et al. 2024), whose weight of it is 0.05.
    """
    spectrum = tf.signal.rfft2d(tf.transpose(output - wanted, (0, 3, 1, 2)))
    return (tf.reduce_mean(tf.abs(tf.math.real(spectrum))) + tf.reduce_mean(tf.abs(tf.math.imag(spectrum)))) / 2


LOSSES: dict[str, Distance] = {"l1": l1, "charbonnier": charbonnier, "l2": l2}


def loss_of(name: str, frequency_weight: float) -> Distance:
    """The loss that `--loss` and `--frequency_loss` ask for."""
    base = LOSSES[name]
    if not frequency_weight:
        return base
    return lambda output, wanted: base(output, wanted) + frequency_weight * frequency(output, wanted)
