"""Resizing inside a network: bicubic, and bilinear by whole factors."""

import keras
import numpy as np
from keras import ops

from srnas_tf.bicubic import phases


class Resample(keras.Layer):
    """MATLAB's bicubic resizing by up / down, as one convolution with constant weights; float32, not rounded.

    Input: [batch, height, width, channels]; `down` divides the sides. Output: [batch, height * up / down, width * up /
    down, channels]. An image may be as small as one pixel.

    Args:
        up: numerator of the factor.
        down: its denominator.
        channels: channels of the image.
    """

    def __init__(self, up: int, down: int = 1, channels: int = 3, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.up, self.down = up, down
        kernels, self.before = phases(up, down)
        self.after = kernels.shape[1] - self.before - down
        both = np.einsum("ix,jy->xyij", kernels, kernels)  # [taps, taps, phase of rows, phase of columns]
        each = np.einsum("xyij,cd->xycijd", both, np.eye(channels))
        self.kernel = each.reshape(*both.shape[:2], channels, -1).astype(np.float32)

    def call(self, image):
        padded = _mirror(_mirror(image, 1, self.before, self.after), 2, self.before, self.after)
        return ops.depth_to_space(ops.conv(padded, self.kernel, self.down), self.up)


def _mirror(image, axis: int, before: int, after: int):
    """Extends an axis of any length by its mirror image."""
    size = ops.shape(image)[axis]
    indices = ops.arange(-before, size + after)
    # No modulus: converters disagree on that of negative numbers.
    indices = ops.maximum(indices, -1 - indices)
    indices = ops.maximum(ops.minimum(indices, 2 * size - 1 - indices), 0)
    return ops.take(image, indices, axis)


def enlarge(x, factor: int):
    """Bilinear enlargement of maps, [batch, height, width, channels], by a whole number.

    Keras' own resizing needs to know the size beforehand. Here a filter computes each subpixel from a pixel and its
    neighbours.
    """
    channels = x.shape[-1]
    x = ops.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    x = ops.concatenate([x[:, :, :1], x, x[:, :, -1:]], axis=2)
    phases = ops.tile(x, (1, 1, 1, factor**2))
    kernel = ops.cast(_bilinear(factor, channels), x.dtype)
    return ops.depth_to_space(ops.depthwise_conv(phases, kernel, padding="valid"), factor)


def _bilinear(factor: int, channels: int) -> np.ndarray:
    """The filter of each subpixel, [3, 3, factor^2 * channels, 1]."""
    offsets = (np.arange(factor) + 0.5) / factor - 0.5
    weights = np.stack([np.maximum(-offsets, 0), 1 - np.abs(offsets), np.maximum(offsets, 0)])
    both = np.einsum("yi,xj->yxij", weights, weights).reshape(3, 3, -1)
    return np.repeat(both, channels, axis=-1)[..., None].astype(np.float32)
