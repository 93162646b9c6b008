"""The convolutions and the activation that all networks here are made of."""

from collections.abc import Callable

import keras
from keras import ops

from srnas_tf import arch

NEGATIVE_SLOPE = 0.05
"""Of IMDN's LeakyReLU."""


def leaky(x):
    """LeakyReLU(0.05)."""
    return ops.leaky_relu(x, NEGATIVE_SLOPE)


def conv(value: arch.AnyConv, name: str, **options) -> keras.Layer:
    """The layer of a convolution, built, so that it can be counted before it is called."""
    return _LAYERS[type(value)](value, name=name, **options)


def _conv(value: arch.Conv, **options) -> keras.Layer:
    layer = keras.layers.Conv2D(value.outputs, value.kernel, padding="same", use_bias=value.bias, **options)
    layer.build((None, None, None, value.inputs))
    return layer


class DepthwiseConv(keras.Layer):
    """A filter a channel.

    Input and output: [batch, height, width, channels].

    Args:
        value: channels and kernel size.
        activation: applied to the output, None for none.
    """

    def __init__(self, value: arch.DepthwiseConv, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.value, self.activation = value, activation
        # Shaped as grouped convolutions have it, and not as Keras' layer: the last axis counts what comes out, all
        # others what goes into it, so that weights can be drawn by their shapes.
        self.kernel = self.add_weight(shape=(value.kernel, value.kernel, 1, value.channels), name="kernel")
        self.bias = self.add_weight(shape=(value.channels,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        filters = ops.swapaxes(self.kernel, 2, 3)
        x = ops.depthwise_conv(x, filters, padding="same") + self.bias
        return self.activation(x) if self.activation else x


class BlueprintConv(keras.Layer):
    """A blueprint-separable convolution: 1x1, then a filter a channel (Haase and Amthor 2020).

    Input: [batch, height, width, inputs]. Output: [batch, height, width, outputs].

    Args:
        value: channels and kernel size.
        activation: applied to the output, None for none.
    """

    def __init__(self, value: arch.BlueprintConv, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.pointwise = conv(value.pointwise, "pointwise", dtype=self.dtype_policy)
        self.depthwise = conv(value.depthwise, "depthwise", activation=activation, dtype=self.dtype_policy)
        self.built = True

    def call(self, x):
        return self.depthwise(self.pointwise(x))


class SelectiveConv(keras.Layer):
    """A selective kernel unit (Li et al. 2019, section 3.1): split, fuse, select.

    Input: [batch, height, width, inputs]. Output: [batch, height, width, outputs]. The branches' LeakyReLU stands where
    the paper has batch norm and ReLU.

    Args:
        value: channels and kernel sizes.
        activation: applied to the output, None for none.
    """

    def __init__(self, value: arch.SelectiveConv, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        policy = self.dtype_policy
        self.branches = [
            conv(branch, f"branch{branch.kernel}x{branch.kernel}", activation=leaky, dtype=policy)
            for branch in value.branches
        ]
        self.squeeze = conv(value.squeeze, "squeeze", activation="relu", dtype=policy)
        self.excites = [conv(excite, f"excite{i}", dtype=policy) for i, excite in enumerate(value.excites)]
        self.built = True

    def call(self, x):
        branches = [branch(x) for branch in self.branches]
        pooled = ops.mean(ops.cast(sum(branches[1:], branches[0]), "float32"), axis=(1, 2), keepdims=True)
        squeezed = self.squeeze(ops.cast(pooled, self.compute_dtype))
        attention = ops.softmax(ops.stack([excite(squeezed) for excite in self.excites]), axis=0)
        mixed = sum(attention[i] * branch for i, branch in enumerate(branches))
        return self.activation(mixed) if self.activation else mixed


_LAYERS: dict[type[arch.AnyConv], Callable[..., keras.Layer]] = {
    arch.Conv: _conv,
    arch.SelectiveConv: SelectiveConv,
    arch.DepthwiseConv: DepthwiseConv,
    arch.BlueprintConv: BlueprintConv,
}
