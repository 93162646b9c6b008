"""The convolutions and the activation that all networks here are made of."""

import keras
from keras import ops

from srnas_tf import arch

NEGATIVE_SLOPE = 0.05
"""Of IMDN's LeakyReLU."""


def leaky(x):
    """LeakyReLU(0.05)."""
    return ops.leaky_relu(x, NEGATIVE_SLOPE)


def conv(value: arch.AnyConv, name: str, **options) -> keras.Layer:
    """The layer of an `arch.Conv` or `arch.SelectiveConv`, built, so that it can be counted before it is called."""
    if isinstance(value, arch.SelectiveConv):
        return SelectiveConv(value, name=name, **options)
    layer = keras.layers.Conv2D(value.outputs, value.kernel, padding="same", name=name, **options)
    layer.build((None, None, None, value.inputs))
    return layer


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
