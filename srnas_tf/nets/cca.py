"""Contrast-aware channel attention, and what stands where a block has none."""

from collections.abc import Sequence

import keras
from keras import ops

from srnas_tf import arch
from srnas_tf.nets.conv import conv

_TINY = 1e-12
"""Keeps the gradient of the deviation finite where a channel is constant over the image; below float32's rounding."""


@keras.saving.register_keras_serializable("srnas_tf")
class ContrastAwareAttention(keras.Layer):
    """Scales each channel by a gate computed from its mean and standard deviation (IMDN, equations 5 and 6).

    Input and output: [batch, height, width, channels]. The statistics are those of the whole image, in float32
    whatever the compute dtype.

    Args:
        channels: of input and output.
        squeezed: channels between the two 1x1 convs; channels // 16 in IMDN.

    Example:
        >>> ContrastAwareAttention(64, 4)(keras.ops.ones((1, 8, 8, 64))).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, channels: int, squeezed: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels, self.squeezed = channels, squeezed
        self.squeeze = conv(arch.Conv(channels, squeezed, 1), "squeeze", activation="relu", dtype=self.dtype_policy)
        self.excite = conv(arch.Conv(squeezed, channels, 1), "excite", activation="sigmoid", dtype=self.dtype_policy)
        self.built = True

    @property
    def convs(self) -> list[keras.Layer]:
        """What squeezes, and what excites."""
        return [self.squeeze, self.excite]

    def call(self, x, moments=None):
        """The scaled channels.

        Args:
            x: float [batch, height, width, channels].
            moments: mean and variance of each channel where `x` is a part of an image, [2, channels]; x's own unless
                given.
        """
        if moments is None:
            mean, variance = ops.moments(ops.cast(x, "float32"), axes=(1, 2), keepdims=True)
        else:
            mean, variance = (ops.reshape(moments[i], (1, 1, 1, self.channels)) for i in range(2))
        contrast = ops.cast(ops.sqrt(variance + _TINY) + mean, x.dtype)
        return x * self.excite(self.squeeze(contrast))

    def get_config(self) -> dict:
        return {**super().get_config(), "channels": self.channels, "squeezed": self.squeezed}


class NoAttention(keras.Layer):
    """Passes on what it is given."""

    convs: Sequence[keras.Layer] = ()

    def call(self, x, moments=None):
        return x


def attention(convs: Sequence[arch.Conv], name: str, **options) -> keras.Layer:
    """The attention of these convolutions, squeeze and excite; of none, what passes all on."""
    if not convs:
        return NoAttention(name=name, **options)
    squeeze, _ = convs
    return ContrastAwareAttention(squeeze.inputs, squeeze.outputs, name=name, **options)
