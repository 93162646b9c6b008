"""IDN: Hui et al. 2018, "Fast and accurate single image super-resolution via information distillation network"."""

from srnas_tf.arch.graph import Resample, Slice, Tensor
from srnas_tf.arch.zoo.pieces import concat, conv, deconv, leaky

SLOPE = 0.05


def idn(y: Tensor, scale: int, width: int) -> Tensor:
    """Four blocks that enhance and compress, on luma. 552769 parameters at every scale."""
    x = leaky(conv(1, width)(y), SLOPE)
    x = leaky(conv(width, width)(x), SLOPE)
    for _ in range(4):
        x = _compress(_enhance(x, width), width)
    return Resample(scale)(y) + deconv(width, 1, 17, scale)(x)


def _enhance(x: Tensor, width: int) -> Tensor:
    """The enhancement unit, whose output has a quarter more channels than its input.

    Three convolutions come first. A quarter of their channels is concatenated with the input. Three further
    convolutions take the other channels, and their output is added.
    """
    quarter = width // 4
    way = _convs(x, (width, 3 * quarter, 2 * quarter, width))
    kept, rest = Slice(0, quarter)(way), Slice(quarter, width)(way)
    return _convs(rest, (3 * quarter, width, 3 * quarter, 5 * quarter)) + concat(x, kept)


def _compress(x: Tensor, width: int) -> Tensor:
    return leaky(conv(x.channels, width, 1)(x), SLOPE)


def _convs(x: Tensor, widths: tuple[int, int, int, int]) -> Tensor:
    """Three convolutions, the second in four groups."""
    a, b, c, d = widths
    x = leaky(conv(a, b)(x), SLOPE)
    x = leaky(_grouped(x, b, c, 4), SLOPE)
    return leaky(conv(c, d)(x), SLOPE)


def _grouped(x: Tensor, in_channels: int, out_channels: int, groups: int) -> Tensor:
    """A grouped convolution, made of one convolution for each group.

    TensorFlow has no gradient of grouped convolutions on a CPU.
    """
    size = in_channels // groups
    return concat(*(conv(size, out_channels // groups)(Slice(i * size, (i + 1) * size)(x)) for i in range(groups)))
