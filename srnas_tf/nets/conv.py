"""The convolutions and activations of all networks."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from srnas_tf import arch

NEGATIVE_SLOPE = 0.05
"""Slope of IMDN's LeakyReLU."""


def leaky(x):
    """LeakyReLU(0.05)."""
    return ops.leaky_relu(x, NEGATIVE_SLOPE)


def _gelu(x):
    """GELU in its tanh approximation, written as a sigmoid. LiteRT has no error function, and powers are slow."""
    return x * ops.sigmoid(1.5957691216057308 * x * (1 + 0.044715 * x * x))


ACTIVATIONS: dict[str, Callable] = {"leaky": leaky, "silu": ops.silu, "gelu": _gelu}
"""Activations by the names of `arch.block.ACTIVATIONS`."""


def conv(value: arch.AnyConv, name: str, **options) -> keras.Layer:
    """The layer of a convolution. It is built, so that its parameters can be counted before it is called."""
    return _LAYERS[type(value)](value, name=name, **options)


def _conv(value: arch.Conv, padding: str = "same", **options) -> keras.Layer:
    layer = keras.layers.Conv2D(value.out_channels, value.kernel, value.stride, padding, use_bias=value.bias, **options)
    layer.build((None, None, None, value.in_channels))
    return layer


class DepthwiseConv(keras.Layer):
    """A depthwise convolution: one filter for each channel.

    Input and output: [batch, height, width, channels].

    Args:
        value: channels and kernel size.
        activation: applied to the output, None for none.
    """

    def __init__(self, value: arch.DepthwiseConv, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.value, self.activation = value, activation
        # The shape is that of a grouped convolution, not that of Keras' layer. The last axis counts outputs and the
        # others make the fan in, so that first weights can be drawn by their shapes.
        self.kernel = self.add_weight(shape=(value.kernel, value.kernel, 1, value.channels), name="kernel")
        self.bias = self.add_weight(shape=(value.channels,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x):
        filters = ops.swapaxes(self.kernel, 2, 3)
        x = ops.depthwise_conv(x, filters, padding="same", dilation_rate=self.value.dilation) + self.bias
        return self.activation(x) if self.activation else x


class BlueprintConv(keras.Layer):
    """A blueprint-separable convolution: 1x1, then depthwise (Haase and Amthor 2020).

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
    """A reparameterized convolution: in training, its kernel is a sum of linear branches (`arch.ExpandedConv`).

    Input: [batch, height, width, in_channels]. Output: [batch, height, width, out_channels].

    The kernels are added up, not the branches' outputs: the deployed convolution is what runs.

    Args:
        value: its branches and sizes.
        activation: applied to the output, None for none.
    """

    def __init__(self, value: arch.ExpandedConv, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.value, self.activation = value, activation
        in_channels, wide, out_channels = value.in_channels, value.wide, value.out_channels
        self.dense, self.expand, self.depthwise, self.factors = None, None, None, None
        if value.dense:
            size = value.dense.kernel
            self.dense = self._weight("dense", size, size, in_channels, out_channels)
            if wide:
                self.expand = self._weight("expand", in_channels, wide)
                self.project = self._weight("project", size, size, wide, out_channels)
            self._identity = np.zeros((size, size, in_channels, out_channels), np.float32)
            if in_channels == out_channels:
                self._identity[size // 2, size // 2] = np.eye(in_channels)
        if value.depthwise:
            size = value.depthwise.kernel
            self.depthwise = self._weight("depthwise", size, size, 1, out_channels)
            self._depthwise_identity = np.zeros((size, size, 1, out_channels), np.float32)
            self._depthwise_identity[size // 2, size // 2] = 1
            if value.factors:
                self.factors = self._weight("factors", 1, 1, 1, out_channels)
        self.bias = self.add_weight(shape=(out_channels,), initializer="zeros", name="bias")
        self.built = True

    def _weight(self, name: str, *shape: int) -> keras.Variable:
        # Kernels are added up in float32. In bfloat16, the sum with the identity would lose small changes.
        return self.add_weight(shape=shape, name=name, autocast=False)

    @property
    def kernels(self) -> list:
        """The deployed convolution's kernels, shaped as its layer has them."""
        made = []
        if self.dense is not None:
            kernel = self.dense if self.expand is None else self.dense + ops.matmul(self.expand, self.project)
            made.append(kernel + self._identity)
        if self.depthwise is not None:
            made.append(self.depthwise + self._depthwise_added)
        return made

    @property
    def _depthwise_added(self):
        """The branches beside the depthwise kernel: the identity, and a factor for each channel."""
        return self._depthwise_identity if self.factors is None else self._depthwise_identity * (1 + self.factors)

    def set_deploy_weights(self, *weights: np.ndarray) -> list[keras.Variable]:
        """Makes the sum equal these kernels and bias. The branches beside `dense` and `depthwise` stay as they are.

        Returns:
            The variables that changed.
        """
        if self.dense is not None:
            self.dense.assign(self.dense + weights[0] - self.kernels[0])
        if self.depthwise is not None:
            self.depthwise.assign(weights[-2] - self._depthwise_added)
        self.bias.assign(weights[-1])
        return [variable for variable in (self.dense, self.depthwise, self.bias) if variable is not None]

    def call(self, x):
        kernels = [ops.cast(kernel, self.compute_dtype) for kernel in self.kernels]
        if self.dense is not None:
            x = ops.conv(x, kernels[0], padding="same")
        if self.depthwise is not None:
            x = ops.depthwise_conv(x, ops.swapaxes(kernels[-1], 2, 3), padding="same")
        x = x + self.bias
        return self.activation(x) if self.activation else x


def deploy_weights(layer: keras.Layer) -> list[np.ndarray]:
    """The weights of a layer's deploy form, kernels first."""
    if isinstance(layer, ExpandedConv):
        return [ops.convert_to_numpy(weight) for weight in (*layer.kernels, layer.bias)]
    return layer.get_weights()


def set_deploy_weights(layer: keras.Layer, weights: Sequence[np.ndarray]) -> list[keras.Variable]:
    """Gives a layer the weights of its deploy form; returns the variables that changed."""
    if isinstance(layer, ExpandedConv):
        return layer.set_deploy_weights(*weights)
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
