"""The convolutions that networks are made of, as values that know their cost."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

Weights = dict[str, tuple[int, ...]]
"""The shapes of a layer's trainable weights by name, in the layer's order."""


class _OneSize:
    """A convolution with one kernel size."""

    kernel: int

    @property
    def kernels(self) -> tuple[int, ...]:
        return (self.kernel,)


@dataclass(frozen=True)
class Conv(_OneSize):
    """A convolution, `kernel` x `kernel`.

    A `pooled` convolution runs on statistics of the whole image: once for each image, of any size. A `shrunk` one works
    on an image whose sides are so many times smaller. Its MACs are exact if `shrunk` divides the sides.
    """

    kind: ClassVar = "conv"
    in_channels: int
    out_channels: int
    kernel: int = 3
    pooled: bool = False
    bias: bool = True
    stride: int = 1
    shrunk: int = 1

    def macs(self, pixels: int) -> int:
        """Multiply-accumulates for `pixels` pixels of output."""
        return (1 if self.pooled else pixels // self.shrunk**2) * self.kernel**2 * self.in_channels * self.out_channels

    @property
    def weights(self) -> Weights:
        kernel = {"kernel": (self.kernel, self.kernel, self.in_channels, self.out_channels)}
        return kernel | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def params(self) -> int:
        return self.kernel**2 * self.in_channels * self.out_channels + self.bias * self.out_channels


@dataclass(frozen=True)
class SelectiveConv:
    """A selective kernel unit (Li et al. 2019): convolutions of several sizes, and attention that mixes them.

    Split: one convolution for each kernel size. Fuse: their sum, pooled, squeezed to max(out_channels / 16, 32)
    channels. Select: one excitation for each branch, and a softmax over the branches in each channel. The paper's batch
    norms are left out, as everywhere in this family. Its 5x5 branch is a true 5x5, not a dilated 3x3.
    """

    kind: ClassVar = "selective conv"
    in_channels: int
    out_channels: int
    kernels: tuple[int, ...]

    @property
    def branches(self) -> tuple[Conv, ...]:
        return tuple(Conv(self.in_channels, self.out_channels, kernel) for kernel in self.kernels)

    @property
    def squeeze(self) -> Conv:
        return Conv(self.out_channels, max(self.out_channels // 16, 32), 1, pooled=True)

    @property
    def excites(self) -> tuple[Conv, ...]:
        return (Conv(self.squeeze.out_channels, self.out_channels, 1, pooled=True),) * len(self.kernels)

    @property
    def _all(self) -> tuple[Conv, ...]:
        return (*self.branches, self.squeeze, *self.excites)

    def macs(self, pixels: int) -> int:
        return sum(conv.macs(pixels) for conv in self._all)

    @property
    def weights(self) -> Weights:
        names = [f"branch{conv.kernel}" for conv in self.branches] + ["squeeze"]
        names += [f"excite{i}" for i, _ in enumerate(self.excites)]
        return _under(dict(zip(names, self._all, strict=True)))

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self._all)


@dataclass(frozen=True)
class DepthwiseConv(_OneSize):
    """A depthwise convolution: one `kernel` x `kernel` filter for each channel, its taps `dilation` pixels apart."""

    kind: ClassVar = "depthwise conv"
    channels: int
    kernel: int = 3
    dilation: int = 1

    def macs(self, pixels: int) -> int:
        return pixels * self.kernel**2 * self.channels

    @property
    def weights(self) -> Weights:
        return {"kernel": (self.kernel, self.kernel, 1, self.channels), "bias": (self.channels,)}

    @property
    def params(self) -> int:
        return (self.kernel**2 + 1) * self.channels

    @property
    def in_channels(self) -> int:
        return self.channels

    @property
    def out_channels(self) -> int:
        return self.channels


@dataclass(frozen=True)
class BlueprintConv(_OneSize):
    """A blueprint-separable convolution, unconstrained (BSConv-U: Haase and Amthor 2020, section 3.2).

    A 1x1 convolution mixes the channels, and a depthwise convolution follows. Together they have about a ninth of the
    parameters and MACs of a 3x3 convolution. No activation stands between the two, as in BSRN (Li et al. 2022).
    """

    kind: ClassVar = "separable conv"
    in_channels: int
    out_channels: int
    kernel: int = 3

    @property
    def pointwise(self) -> Conv:
        return Conv(self.in_channels, self.out_channels, 1, bias=False)

    @property
    def depthwise(self) -> DepthwiseConv:
        return DepthwiseConv(self.out_channels, self.kernel)

    def macs(self, pixels: int) -> int:
        return self.pointwise.macs(pixels) + self.depthwise.macs(pixels)

    @property
    def weights(self) -> Weights:
        return _under({"pointwise": self.pointwise, "depthwise": self.depthwise})

    @property
    def params(self) -> int:
        return self.pointwise.params + self.depthwise.params


@dataclass(frozen=True)
class ExpandedConv:
    """A reparameterized convolution: training has more weights than inference (ECBSR: Zhang et al. 2021; SESR:
    Bhardwaj et al. 2022).

    The dense kernel is a sum of up to three branches. One is a kernel of its size. One is a 1x1 convolution to more
    channels, followed by a convolution of its size. The third is the identity, if input and output have equally many
    channels. The depthwise kernel is the sum of a kernel and the identity. All branches are linear. One convolution,
    `deployed`, therefore computes the same.

    LKDN's reparameterization (Xie et al. 2023) has no branch through more channels. It adds a factor for each channel
    to the depthwise kernel.

    Args:
        deployed: the convolution at inference. Parameters and MACs are its own.
        expansion: channels between the two convolutions of a branch, as a multiple of `in_channels`. 0 leaves the
            branch out.
        factors: whether the depthwise kernel has a factor for each channel.
    """

    deployed: Conv | BlueprintConv | DepthwiseConv
    expansion: int = 2
    factors: bool = False

    @property
    def kind(self) -> str:
        return f"expanded {self.deployed.kind}"

    @property
    def in_channels(self) -> int:
        return self.deployed.in_channels

    @property
    def out_channels(self) -> int:
        return self.deployed.out_channels

    @property
    def kernels(self) -> tuple[int, ...]:
        return self.deployed.kernels

    @property
    def _parts(self) -> tuple[Conv | DepthwiseConv, ...]:
        deployed = self.deployed
        return (deployed.pointwise, deployed.depthwise) if isinstance(deployed, BlueprintConv) else (deployed,)

    @property
    def dense(self) -> Conv | None:
        """The part that mixes channels, or None."""
        return next((part for part in self._parts if isinstance(part, Conv)), None)

    @property
    def depthwise(self) -> DepthwiseConv | None:
        """The part with one filter for each channel, or None."""
        return next((part for part in self._parts if isinstance(part, DepthwiseConv)), None)

    @property
    def wide(self) -> int:
        """Channels between the two convolutions of a branch."""
        return self.expansion * self.in_channels

    def macs(self, pixels: int) -> int:
        return self.deployed.macs(pixels)

    @property
    def params(self) -> int:
        return self.deployed.params

    @property
    def weights(self) -> Weights:
        made: Weights = {}
        if self.dense:
            size = self.dense.kernel
            made["dense"] = (size, size, self.in_channels, self.out_channels)
            if self.wide:
                made["expand"] = (self.in_channels, self.wide)
                made["project"] = (size, size, self.wide, self.out_channels)
        if self.depthwise:
            made["depthwise"] = (self.depthwise.kernel, self.depthwise.kernel, 1, self.out_channels)
            if self.factors:
                made["factors"] = (1, 1, 1, self.out_channels)
        return made | {"bias": (self.out_channels,)}

    @property
    def trainable_params(self) -> int:
        return sum(map(math.prod, self.weights.values()))


def _under(convs: "dict[str, Conv | DepthwiseConv]") -> Weights:
    """The weights of several convolutions, each name behind that of its convolution."""
    return {f"{name}.{own}": shape for name, conv in convs.items() for own, shape in conv.weights.items()}


AnyConv = Conv | SelectiveConv | DepthwiseConv | BlueprintConv | ExpandedConv


def trainable_params(conv: AnyConv) -> int:
    """Number of trainable parameters during training: those of all branches if the convolution is expanded."""
    return conv.trainable_params if isinstance(conv, ExpandedConv) else conv.params


class ConvKind(NamedTuple):
    """A kind of convolution that a block may be made of.

    Attributes:
        letter: stands before the kernel size in a block's text form.
        make: (in_channels, out_channels, kernel sizes) -> the convolution.
        several: whether it takes several kernel sizes.
        deployed_as: the kind of its deploy form; empty if that is the same.
        expand: (a convolution of another kind in such a block) -> its form in training.
    """

    letter: str
    make: Callable[[int, int, tuple[int, ...]], AnyConv]
    several: bool = False
    deployed_as: str = ""
    expand: Callable[[Conv | DepthwiseConv], AnyConv] = lambda conv: conv


def _plain(in_channels: int, out_channels: int, kernels: tuple[int, ...]) -> AnyConv:
    if len(kernels) > 1:
        return SelectiveConv(in_channels, out_channels, kernels)
    return Conv(in_channels, out_channels, kernels[0])


def _blueprint(in_channels: int, out_channels: int, kernels: tuple[int, ...]) -> AnyConv:
    return BlueprintConv(in_channels, out_channels, kernels[0])


def _trained_as(deployed_as: str, letter: str, expansion: int = 2, factors: bool = False) -> ConvKind:
    """A kind that trains as a sum of linear branches (`ExpandedConv`), and is deployed as another kind."""

    def expand(conv: Conv | BlueprintConv | DepthwiseConv) -> AnyConv:
        return ExpandedConv(conv, expansion, factors)

    def make(in_channels: int, out_channels: int, kernels: tuple[int, ...]) -> AnyConv:
        return expand(_DEPLOYED[deployed_as](in_channels, out_channels, kernels))

    return ConvKind(letter, make, deployed_as=deployed_as, expand=expand)


_DEPLOYED: dict[str, Callable] = {"plain": _plain, "blueprint": _blueprint}

CONVS = {
    "plain": ConvKind("k", _plain, several=True),
    "blueprint": ConvKind("b", _blueprint),
    "expanded": _trained_as("plain", "e"),
    "expanded_blueprint": _trained_as("blueprint", "x"),
    "reparam_blueprint": _trained_as("blueprint", "y", expansion=0, factors=True),  # LKDN's
    "expanded_reparam_blueprint": _trained_as("blueprint", "z", factors=True),  # both together
}
