"""Layers and tensors as values: the language of the zoo.

A layer is called on tensors and returns a tensor. A layer that is called twice has one set of weights. The last tensor
leads back to all others. Parameters and MACs are read off this graph, and `nets.graph` turns it into Keras layers.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from srnas_tf.arch.conv import Conv


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor between two layers.

    Attributes:
        channels: number of channels.
        zoom: its sides, as a multiple of the low-resolution image's.
        layer: the layer that made it; None for the network's input.
        inputs: the tensors that the layer was called on.
    """

    channels: int
    zoom: int
    layer: "Layer | None" = None
    inputs: tuple["Tensor", ...] = ()

    def __add__(self, other: "Tensor") -> "Tensor":
        return Add()(self, other)

    def history(self) -> list["Tensor"]:
        """This tensor and all that lead to it, each once, none before its inputs."""
        found: dict[Tensor, None] = {}
        pending = [self]
        while pending:
            tensor = pending[-1]
            missing = [made for made in reversed(tensor.inputs) if made not in found]
            if missing:
                pending += missing
            else:
                found[pending.pop()] = None
        return list(found)


class Weight(NamedTuple):
    """Trainable numbers of a layer.

    Attributes:
        shape: shape of the Keras variable.
        start: their first value: a number, "drawn", or "bilinear" (an interpolating kernel).
        fan_in: number of inputs that each output sums over. It determines the variance of drawn weights.
    """

    shape: tuple[int, ...]
    start: float | str = "drawn"
    fan_in: float = 1.0


@dataclass(frozen=True, eq=False)
class Layer:
    """A step of a network. Unless a kind says otherwise, it has no weights, and its output has its input's shape."""

    def __call__(self, *inputs: Tensor) -> Tensor:
        return Tensor(self.channels(*inputs), self.zoom(*inputs), self, inputs)

    def channels(self, *inputs: Tensor) -> int:
        return inputs[0].channels

    def zoom(self, *inputs: Tensor) -> int:
        return inputs[0].zoom

    @property
    def weights(self) -> tuple[Weight, ...]:
        return ()

    @property
    def params(self) -> int:
        return sum(math.prod(weight.shape) for weight in self.weights)

    def macs(self, pixels: int) -> int:
        """Multiply-accumulates for `pixels` pixels of output; 0 except for convolutions."""
        return 0


@dataclass(frozen=True, eq=False)
class Convolve(Layer):
    """A convolution; borders are padded with zeros."""

    conv: Conv

    def channels(self, *inputs: Tensor) -> int:
        return self.conv.out_channels

    @property
    def weights(self) -> tuple[Weight, ...]:
        c = self.conv
        kernel = Weight((c.kernel, c.kernel, c.in_channels, c.out_channels), fan_in=c.kernel**2 * c.in_channels)
        return (kernel, Weight((c.out_channels,), 0.0)) if c.bias else (kernel,)

    def macs(self, pixels: int) -> int:
        return self.conv.macs(pixels)

    def __str__(self) -> str:
        return f"conv {self.conv.kernel}x{self.conv.kernel} {self.conv.in_channels}-{self.conv.out_channels}"


@dataclass(frozen=True, eq=False)
class Deconvolve(Layer):
    """A transposed convolution that enlarges by its stride.

    Args:
        conv: channels and kernel size.
        stride: the enlargement.
        start: initialization of the kernel, as in `Weight`.
    """

    conv: Conv
    stride: int
    start: str = "drawn"

    def channels(self, *inputs: Tensor) -> int:
        return self.conv.out_channels

    def zoom(self, *inputs: Tensor) -> int:
        return inputs[0].zoom * self.stride

    @property
    def weights(self) -> tuple[Weight, ...]:
        c = self.conv
        fan_in = c.kernel**2 * c.in_channels / self.stride**2
        return (
            Weight((c.kernel, c.kernel, c.out_channels, c.in_channels), self.start, fan_in),
            Weight((c.out_channels,), 0.0),
        )

    def macs(self, pixels: int) -> int:
        return self.conv.macs(pixels // self.stride**2)

    def __str__(self) -> str:
        return f"deconv {self.conv.kernel}x{self.conv.kernel} {self.conv.in_channels}-{self.conv.out_channels}"


@dataclass(frozen=True, eq=False)
class PReLU(Layer):
    """max(x, 0) + slope * min(x, 0), with a trainable slope for each channel (He et al. 2015)."""

    width: int

    @property
    def weights(self) -> tuple[Weight, ...]:
        return (Weight((1, 1, self.width), 0.25),)

    def __str__(self) -> str:
        return f"prelu {self.width}"


@dataclass(frozen=True, eq=False)
class BatchNorm(Layer):
    """Batch normalization without gain and offset. Each layer keeps its own statistics."""


@dataclass(frozen=True, eq=False)
class Affine(Layer):
    """gain * x + offset for each channel: the trainable part of batch normalization."""

    width: int

    @property
    def weights(self) -> tuple[Weight, ...]:
        return (Weight((self.width,), 1.0), Weight((self.width,), 0.0))

    def __str__(self) -> str:
        return f"affine {self.width}"


@dataclass(frozen=True, eq=False)
class WeightedSum(Layer):
    """A weighted sum of `count` tensors with trainable weights. Initially it is their mean."""

    count: int

    @property
    def weights(self) -> tuple[Weight, ...]:
        return (Weight((self.count,), 1 / self.count),)

    def __str__(self) -> str:
        return f"weighted sum of {self.count}"


@dataclass(frozen=True, eq=False)
class Leaky(Layer):
    """max(x, slope * x); ReLU if the slope is 0."""

    slope: float = 0.0


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """The sum of two tensors of one shape."""


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """The channels of all tensors, one after the other."""

    def channels(self, *inputs: Tensor) -> int:
        return sum(tensor.channels for tensor in inputs)


@dataclass(frozen=True, eq=False)
class Slice(Layer):
    """The channels from `start` to before `stop`."""

    start: int
    stop: int

    def channels(self, *inputs: Tensor) -> int:
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class PixelShuffle(Layer):
    """Pixel shuffle: `factor`^2 channels become a square of pixels (Shi et al. 2016)."""

    factor: int

    def channels(self, *inputs: Tensor) -> int:
        return inputs[0].channels // self.factor**2

    def zoom(self, *inputs: Tensor) -> int:
        return inputs[0].zoom * self.factor


@dataclass(frozen=True, eq=False)
class Resample(Layer):
    """Bicubic resizing by `up` / `down`, antialiased if it shrinks, not rounded."""

    up: int
    down: int = 1

    def zoom(self, *inputs: Tensor) -> int:
        return inputs[0].zoom * self.up // self.down


@dataclass(frozen=True, eq=False)
class Luma(Layer):
    """Y of BT.601 in studio range, 0..1, of RGB."""

    def channels(self, *inputs: Tensor) -> int:
        return 1


@dataclass(frozen=True, eq=False)
class ReplaceLuma(Layer):
    """(RGB image, Y) -> the image with that Y and its own colours."""


@dataclass(frozen=True, eq=False)
class Shift(Layer):
    """A constant added to each channel."""

    amounts: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Stretch(Layer):
    """The image, followed by one constant channel for each number of a code."""

    code: tuple[float, ...]

    def channels(self, *inputs: Tensor) -> int:
        return inputs[0].channels + len(self.code)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network.

    Attributes:
        image: its input, RGB in 0..1.
        outputs: RGB, by scale. One is used; the others only hold weights.
    """

    image: Tensor
    outputs: dict[int, Tensor]

    layers: tuple[Layer, ...] = field(init=False)
    """All layers with weights, each once, in the order of use."""

    def __post_init__(self) -> None:
        tensors = [tensor for output in self.outputs.values() for tensor in output.history()]
        layers = dict.fromkeys(tensor.layer for tensor in tensors if tensor.layer and tensor.layer.weights)
        object.__setattr__(self, "layers", tuple(layers))

    @property
    def params(self) -> int:
        return sum(layer.params for layer in self.layers)

    def macs(self, scale: int, pixels: int) -> dict[Layer, int]:
        """Multiply-accumulates of each layer with weights, at a low-resolution image of `pixels` pixels."""
        costs = dict.fromkeys(self.layers, 0)
        for tensor in self.outputs[scale].history():
            if tensor.layer in costs:
                costs[tensor.layer] += tensor.layer.macs(pixels * tensor.zoom**2)
        return costs
