"""The layers and functions that several networks of the zoo share."""

from srnas_tf.arch.conv import Conv
from srnas_tf.arch.graph import (
    Affine,
    BatchNorm,
    Concat,
    Convolve,
    Deconvolve,
    Layer,
    Leaky,
    PixelShuffle,
    Shift,
    Tensor,
)

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean of DIV2K's training images, RGB in 0..1, from EDSR's authors."""


def conv(in_channels: int, out_channels: int, kernel: int = 3, bias: bool = True) -> Layer:
    """A convolution. If it is called twice, both calls share its weights."""
    return Convolve(Conv(in_channels, out_channels, kernel, bias=bias))


def deconv(in_channels: int, out_channels: int, kernel: int, stride: int, start: str = "drawn") -> Layer:
    """A transposed convolution that enlarges by its stride."""
    return Deconvolve(Conv(in_channels, out_channels, kernel), stride, start)


def relu(x: Tensor) -> Tensor:
    return Leaky()(x)


def leaky(x: Tensor, slope: float) -> Tensor:
    return Leaky(slope)(x)


def concat(*tensors: Tensor) -> Tensor:
    return Concat()(*tensors)


class Norm:
    """Batch normalization for several places, with one gain and offset, and statistics for each place."""

    def __init__(self, width: int) -> None:
        self._affine = Affine(width)

    def __call__(self, x: Tensor) -> Tensor:
        return self._affine(BatchNorm()(x))


class Activated:
    """Batch normalization and ReLU, then a convolution without bias: the order of He et al. 2016, "pre-activation"."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        self._norm, self._conv = Norm(in_channels), conv(in_channels, out_channels, kernel, bias=False)

    def __call__(self, x: Tensor) -> Tensor:
        return self._conv(relu(self._norm(x)))


def upsample(x: Tensor, width: int, scale: int, activated: bool = False) -> Tensor:
    """Sub-pixel upsampling (Shi et al. 2016). x4 consists of two steps of x2.

    Args:
        activated: whether each convolution is followed by a ReLU.
    """
    for factor in {2: (2,), 3: (3,), 4: (2, 2)}[scale]:
        x = conv(width, width * factor**2)(x)
        x = PixelShuffle(factor)(relu(x) if activated else x)
    return x


def without_mean(image: Tensor) -> Tensor:
    """Subtracts DIV2K's mean colour from RGB."""
    return Shift(tuple(-mean for mean in DIV2K_MEAN))(image)


def with_mean(image: Tensor) -> Tensor:
    """The inverse of `without_mean`."""
    return Shift(DIV2K_MEAN)(image)
