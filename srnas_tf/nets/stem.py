"""The strided stem, which stands before the first block."""

import keras
from keras import ops

from srnas_tf.arch.conv import Conv
from srnas_tf.nets.conv import leaky
from srnas_tf.nets.resample import Resample


class StridedStem(keras.Layer):
    """IMDN_AS' entry: the image is enlarged to its final size. Strided convolutions with LeakyReLUs reduce it again.

    Input: [batch, height, width, 3]. Output: [batch, ceil(height * scale / s), ceil(width * scale / s), width]. s is
    the product of the strides.

    Args:
        convs: 3x3, strided.
        scale: the enlargement.
    """

    def __init__(self, convs: tuple[Conv, ...], scale: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.resample = Resample(scale)
        self.convs = []
        for i, c in enumerate(convs):
            layer = keras.layers.Conv2D(c.out_channels, c.kernel, c.stride, name=f"conv{i}", dtype=self.dtype_policy)
            layer.build((None, None, None, c.in_channels))
            self.convs.append(layer)
        self.built = True

    def call(self, image):
        x = self.resample(image)
        for i, conv in enumerate(self.convs):
            # One pixel on all sides, as PyTorch pads. "same" would pad an even side at its end alone.
            x = conv(ops.pad(leaky(x) if i else x, ((0, 0), (1, 1), (1, 1), (0, 0))))
        return x
