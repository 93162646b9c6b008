"""The convolutions and the activation that all networks here are made of."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from srnas_tf import arch

NEGATIVE_SLOPE = 0.05
"""Of IMDN's LeakyReLU."""


def leaky(x):
    """LeakyReLU(0.05)."""
    return ops.leaky_relu(x, NEGATIVE_SLOPE)


def _gelu(x):
    """GELU by its approximation with tanh, written as a sigmoid: LiteRT has no error function, and powers are slow."""
    return x * ops.sigmoid(1.5957691216057308 * x * (1 + 0.044715 * x * x))


ACTIVATIONS: dict[str, Callable] = {"leaky": leaky, "silu": ops.silu, "gelu": _gelu}
"""By the names of `arch.block.ACTIVATIONS`."""


def conv(value: arch.AnyConv, name: str, **options) -> keras.Layer:
    """The layer of a convolution, built, so that it can be counted before it is called."""
    return _LAYERS[type(value)](value, name=name, **options)


def _conv(value: arch.Conv, padding: str = "same", **options) -> keras.Layer:
    layer = keras.layers.Conv2D(value.out_channels, value.kernel, value.stride, padding, use_bias=value.bias, **options)
    layer.build((None, None, None, value.in_channels))
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
        x = ops.depthwise_conv(x, filters, padding="same", dilation_rate=self.value.dilation) + self.bias
        return self.activation(x) if self.activation else x


class BlueprintConv(keras.Layer):
    """A blueprint-separable convolution: 1x1, then a filter a channel (Haase and Amthor 2020).

    Input: [batch, height, width, in_channels]. Output: [batch, height, width, out_channels].

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


class ExpandedConv(keras.Layer):
    """A convolution whose kernel is a sum of linear ways while it is trained (see `arch.ExpandedConv`).

    Input: [batch, height, width, in_channels]. Output: [batch, height, width, out_channels].

    The sum is taken of the kernels, not of what they make: what runs is the convolution that it is in use.

    Args:
        value: what it is.
        activation: applied to the output, None for none.
    """

    def __init__(self, value: arch.ExpandedConv, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.value, self.activation = value, activation
        in_channels, wide, out_channels = value.in_channels, value.wide, value.out_channels
        self.direct, self.expand, self.filters, self.factors = None, None, None, None
        if value.mixing:
            size = value.mixing.kernel
            self.direct = self._weight("direct", size, size, in_channels, out_channels)
            if wide:
                self.expand = self._weight("expand", in_channels, wide)
                self.project = self._weight("project", size, size, wide, out_channels)
            self._same = np.zeros((size, size, in_channels, out_channels), np.float32)
            if in_channels == out_channels:
                self._same[size // 2, size // 2] = np.eye(in_channels)
        if value.filtering:
            size = value.filtering.kernel
            self.filters = self._weight("filters", size, size, 1, out_channels)
            self._unmoved = np.zeros((size, size, 1, out_channels), np.float32)
            self._unmoved[size // 2, size // 2] = 1
            if value.factors:
                self.factors = self._weight("factors", 1, 1, 1, out_channels)
        self.bias = self.add_weight(shape=(out_channels,), initializer="zeros", name="bias")
        self.built = True

    def _weight(self, name: str, *shape: int) -> keras.Variable:
        # Kernels are put together in float32: of a small change, bfloat16's sum with the identity keeps nothing.
        return self.add_weight(shape=shape, name=name, autocast=False)

    @property
    def kernels(self) -> list:
        """Those of the convolution that it is in use, shaped as its layer has them."""
        made = []
        if self.direct is not None:
            kernel = self.direct if self.expand is None else self.direct + ops.matmul(self.expand, self.project)
            made.append(kernel + self._same)
        if self.filters is not None:
            made.append(self.filters + self._beside)
        return made

    @property
    def _beside(self):
        """What is added to the filters: the identity, and a factor a channel."""
        return self._unmoved if self.factors is None else self._unmoved * (1 + self.factors)

    def take(self, *weights: np.ndarray) -> list[keras.Variable]:
        """Becomes the convolution of these kernels and bias; the ways beside the direct one keep their own.

        Returns:
            What it changed.
        """
        if self.direct is not None:
            self.direct.assign(self.direct + weights[0] - self.kernels[0])
        if self.filters is not None:
            self.filters.assign(weights[-2] - self._beside)
        self.bias.assign(weights[-1])
        return [variable for variable in (self.direct, self.filters, self.bias) if variable is not None]

    def call(self, x):
        kernels = [ops.cast(kernel, self.compute_dtype) for kernel in self.kernels]
        if self.direct is not None:
            x = ops.conv(x, kernels[0], padding="same")
        if self.filters is not None:
            x = ops.depthwise_conv(x, ops.swapaxes(kernels[-1], 2, 3), padding="same")
        x = x + self.bias
        return self.activation(x) if self.activation else x


def in_use(layer: keras.Layer) -> list[np.ndarray]:
    """The weights of a layer, kernels first; those of an expanded convolution as it is in use."""
    if isinstance(layer, ExpandedConv):
        return [ops.convert_to_numpy(weight) for weight in (*layer.kernels, layer.bias)]
    return layer.get_weights()


def use(layer: keras.Layer, weights: Sequence[np.ndarray]) -> list[keras.Variable]:
    """Gives a layer the weights that `in_use` gave; returns the variables that hold them."""
    if isinstance(layer, ExpandedConv):
        return layer.take(*weights)
    layer.set_weights(weights)
    return layer.weights


class SelectiveConv(keras.Layer):
    """A selective kernel unit (Li et al. 2019, section 3.1): split, fuse, select.

    Input: [batch, height, width, in_channels]. Output: [batch, height, width, out_channels]. The branches'
    LeakyReLU stands where the paper has batch norm and ReLU.

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
    arch.ExpandedConv: ExpandedConv,
}
