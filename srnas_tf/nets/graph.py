"""The layers of `arch.graph` in Keras."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from srnas_tf.arch import graph
from srnas_tf.metrics.quality import BLACK, BT601, PEAK
from srnas_tf.nets.resample import Resample


class _Affine(keras.Layer):
    """gain * x + offset, for each channel."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.gain = self.add_weight(shape=(width,), initializer="ones", name="gain")
        self.offset = self.add_weight(shape=(width,), initializer="zeros", name="offset")
        self.built = True

    def call(self, x):
        return x * self.gain + self.offset


class _Mix(keras.Layer):
    """A weighted sum of tensors, with trainable weights.

    Keras stores a layer of a list under the name of its class: `.keras` files have this one.
    """

    def __init__(self, count: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.shares = self.add_weight(shape=(count,), initializer="ones", name="shares")
        self.built = True

    def call(self, *tensors):
        return sum(share * x for share, x in zip(ops.unstack(self.shares, len(tensors)), tensors, strict=True))


def _convolve(layer: graph.Convolve, channels: int, **options) -> keras.Layer:
    c = layer.conv
    return keras.layers.Conv2D(c.out_channels, c.kernel, padding="same", use_bias=c.bias, **options)


def _deconvolve(layer: graph.Deconvolve, channels: int, **options) -> keras.Layer:
    c = layer.conv
    return keras.layers.Conv2DTranspose(c.out_channels, c.kernel, layer.stride, padding="same", **options)


def _batch_norm(layer: graph.BatchNorm, channels: int, **options) -> keras.Layer:
    # Statistics are those of all devices together: a batch is normalized alike however it is spread.
    return keras.layers.BatchNormalization(
        center=False, scale=False, momentum=0.9, epsilon=1e-5, synchronized=True, **options
    )


def _luma(image):
    weights = ops.convert_to_tensor([[weight / PEAK] for weight in BT601], image.dtype)
    return BLACK / PEAK + ops.tensordot(image, weights, 1)


def _replace_luma(image, y):
    # A step of Y is a step of R, G and B that is 255/219 times as large.
    return image + (y - _luma(image)) * (PEAK / sum(BT601))


def _stretch(image, code: tuple[float, ...]):
    ones = ops.ones_like(image[..., :1])
    return ops.concatenate([image, *(number * ones for number in code)], axis=-1)


STATEFUL: dict[type[graph.Layer], Callable[..., keras.Layer]] = {
    graph.Convolve: _convolve,
    graph.Deconvolve: _deconvolve,
    graph.PReLU: lambda layer, channels, **options: keras.layers.PReLU(shared_axes=[1, 2], **options),
    graph.BatchNorm: _batch_norm,
    graph.Affine: lambda layer, channels, **options: _Affine(layer.width, **options),
    graph.WeightedSum: lambda layer, channels, **options: _Mix(layer.count, **options),
    graph.Resample: lambda layer, channels, **options: Resample(layer.up, layer.down, channels),
}
"""Layers with state: (layer, channels of its input, Keras options) -> Keras layer."""

STATELESS: dict[type[graph.Layer], Callable[[Any], Callable]] = {
    graph.Leaky: lambda layer: lambda x: ops.leaky_relu(x, layer.slope) if layer.slope else ops.relu(x),
    graph.Add: lambda layer: ops.add,
    graph.Concat: lambda layer: lambda *tensors: ops.concatenate(tensors, axis=-1),
    graph.Slice: lambda layer: lambda x: x[..., layer.start : layer.stop],
    graph.PixelShuffle: lambda layer: lambda x: ops.depth_to_space(x, layer.factor),
    graph.Luma: lambda layer: _luma,
    graph.ReplaceLuma: lambda layer: _replace_luma,
    graph.Shift: lambda layer: lambda x: x + ops.convert_to_tensor(layer.amounts, x.dtype),
    graph.Stretch: lambda layer: lambda image: _stretch(image, layer.code),
}
"""Layers without state: layer -> function of tensors."""


def build(layer: graph.Layer, channels: int, **options) -> keras.Layer:
    """A layer with state. It is built, so that its parameters can be counted before it is called.

    Args:
        layer: a layer of a kind in `STATEFUL`.
        channels: channels of its input.
        options: options of the Keras layer, such as its name and its dtype policy.
    """
    made = STATEFUL[type(layer)](layer, channels, **options)
    if not made.built:
        made.build((None, None, None, channels))
    return made
