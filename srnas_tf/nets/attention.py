"""The attentions of a block, before its fusion convolution or behind it."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from srnas_tf import arch
from srnas_tf.arch.attention import ESA_POOL, ESA_STRIDE
from srnas_tf.arch.plan import Plan
from srnas_tf.nets.conv import conv
from srnas_tf.nets.resample import enlarge

_TINY = 1e-12
"""Keeps the gradient of the deviation finite if a channel is constant over the image. Smaller than float32's rounding.
"""


class Attention(keras.Layer):
    """No attention, and the base class of all others.

    Attributes:
        convs: its convolutions, as in `arch.Plan.attention`.
    """

    convs: Sequence[keras.Layer] = ()

    def call(self, gathered, moments=None):
        """The input of the fusion convolution, [batch, height, width, channels]: here the concatenation as it is."""
        return gathered

    def add(self, x, fused):
        """The block's output: the sum of its input and the fusion's output. `x` is None if the input was added before
        the fusion.
        """
        return fused if x is None else x + fused


@keras.saving.register_keras_serializable("srnas_tf")
class ContrastAwareAttention(Attention):
    """Scales each channel by a gate computed from its mean and standard deviation (IMDN, equations 5 and 6).

    Input and output: [batch, height, width, channels]. The statistics are those of the whole image. They are computed
    in float32 under any policy.

    Args:
        channels: channels of input and output.
        squeezed: channels between the two 1x1 convs; channels // 16 in IMDN.

    Examples:
        >>> ContrastAwareAttention(64, 4)(keras.ops.ones((1, 8, 8, 64))).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, channels: int, squeezed: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels, self.squeezed = channels, squeezed
        self.squeeze = conv(arch.Conv(channels, squeezed, 1), "squeeze", activation="relu", dtype=self.dtype_policy)
        self.excite = conv(arch.Conv(squeezed, channels, 1), "excite", activation="sigmoid", dtype=self.dtype_policy)
        self.convs = [self.squeeze, self.excite]
        self.built = True

    def call(self, x, moments=None):
        """The scaled channels.

        Args:
            x: float [batch, height, width, channels].
            moments: mean and variance of each channel over the whole image, [2, channels], if `x` is a part of it. By
                default those of `x`.
        """
        if moments is None:
            mean, variance = ops.moments(ops.cast(x, "float32"), axes=(1, 2), keepdims=True)
        else:
            mean, variance = (ops.reshape(moments[i], (1, 1, 1, self.channels)) for i in range(2))
        contrast = ops.cast(ops.sqrt(variance + _TINY) + mean, x.dtype)
        return x * self.excite(self.squeeze(contrast))

    def get_config(self) -> dict:
        return {**super().get_config(), "channels": self.channels, "squeezed": self.squeezed}


class EnhancedSpatialAttention(Attention):
    """Scales each pixel's channels by a gate that sees far around it (RFDN: Liu et al. 2020; as in Kong et al. 2022).

    A 1x1 convolution leads to a few channels. A strided 3x3 convolution, max pooling over 7 x 7 with stride 3, and a
    3x3 convolution look around. Their output is enlarged by 6, and the output of a 1x1 convolution at full size is
    added. Another 1x1 convolution leads back, and ends in a sigmoid. Strides count from the image's first pixel. A tile
    that begins at a multiple of 6 therefore sees the same as in the whole image. RLFN stretches to the image's size
    instead.

    Args:
        convs: `arch.Plan.attention`.
    """

    def __init__(self, convs: Sequence[arch.AnyConv], **kwargs) -> None:
        super().__init__(**kwargs)
        squeeze, keep, shrink, look, excite = convs
        policy = self.dtype_policy
        self.squeeze = conv(squeeze, "squeeze", dtype=policy)
        self.keep = conv(keep, "keep", dtype=policy)
        self.shrink = conv(shrink, "shrink", dtype=policy, padding="valid")
        self.look = conv(look, "look", dtype=policy)
        self.excite = conv(excite, "excite", activation="sigmoid", dtype=policy)
        self.convs = [self.squeeze, self.keep, self.shrink, self.look, self.excite]
        self.built = True

    def add(self, x, fused):
        squeezed = self.squeeze(fused)
        small = self.shrink(_padded(squeezed, 0, 2))
        small = self.look(ops.max_pool(_padded(small, 2, 4), 7, ESA_POOL, "valid"))
        around = enlarge(small, ESA_STRIDE * ESA_POOL)
        # `[:, :height, :width]` would export bounds that float16 cannot hold.
        around = ops.slice(around, (0, 0, 0, 0), ops.shape(squeezed))
        return super().add(x, fused * self.excite(self.keep(squeezed) + around))


def _padded(x, before: int, after: int):
    sides = (before, after)
    return ops.pad(x, ((0, 0), sides, sides, (0, 0)))


class LargeKernelAttention(Attention):
    """Multiplies by the output of a 1x1, a depthwise 5x5 and a dilated depthwise 5x5 convolution (LKDN: Xie et al.
    2023).

    Args:
        convs: `arch.Plan.attention`.
    """

    def __init__(self, convs: Sequence[arch.AnyConv], **kwargs) -> None:
        super().__init__(**kwargs)
        names = ("mix", "near", "far")
        self.convs = [conv(c, name, dtype=self.dtype_policy) for c, name in zip(convs, names, strict=True)]
        self.built = True

    def add(self, x, fused):
        seen = fused
        for layer in self.convs:
            seen = layer(seen)
        return super().add(x, fused * seen)


class Gate(Attention):
    """Multiplies the sum of the block's input and the fusion's output by `sigmoid(fusion's output) - 0.5` (SPAN: Wan et
    al. 2024). It has no parameters.
    """

    def add(self, x, fused):
        return super().add(x, fused) * (ops.sigmoid(fused) - 0.5)


def _contrast_aware(convs: Sequence[arch.Conv], **options) -> Attention:
    squeeze, _ = convs
    return ContrastAwareAttention(squeeze.in_channels, squeeze.out_channels, **options)


_LAYERS: dict[str, Callable[..., Attention]] = {
    "none": lambda convs, **options: Attention(**options),
    "cca": _contrast_aware,
    "esa": EnhancedSpatialAttention,
    "lka": LargeKernelAttention,
    "gate": lambda convs, **options: Gate(**options),
}


def attention(plan: Plan, name: str, **options) -> Attention:
    """The attention of a block."""
    return _LAYERS[plan.attends](plan.attention, name=name, **options)
