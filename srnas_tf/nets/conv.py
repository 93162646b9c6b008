"""The convolution and the activation that all networks here are made of."""

import keras

from srnas_tf import arch

NEGATIVE_SLOPE = 0.05
"""Of IMDN's LeakyReLU."""


def conv(value: arch.Conv, name: str, **options) -> keras.layers.Conv2D:
    """The layer of an `arch.Conv`, built, so that it can be loaded and counted before it is called."""
    layer = keras.layers.Conv2D(value.outputs, value.kernel, padding="same", name=name, **options)
    layer.build((None, None, None, value.inputs))
    return layer


def leaky(x):
    """LeakyReLU(0.05)."""
    return keras.ops.leaky_relu(x, NEGATIVE_SLOPE)
