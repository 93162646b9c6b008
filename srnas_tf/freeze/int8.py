"""Chooses the layers of a network that int8 files quantize (docs/int8.md)."""

import keras

from srnas_tf import arch
from srnas_tf.arch.graph import Convolve, Tensor
from srnas_tf.nets.conv import DepthwiseConv
from srnas_tf.nets.zoo import last_weighted, stateful


def _blocks(*convs: str, number: str = r"\d+") -> str:
    return rf"block{number}(_\d+)?/({'|'.join(convs)})(_\d+)?/"


BEHIND_FIRST = (r"branch\d+", r"trunk\d+", "last")
"""The convolutions inside a block, without the one that begins it."""
BUT_THE_FIRST = r"(?!1(_\d+)?/)\d+"
"""The numbers of all blocks but the first."""
BLOCKS = _blocks("first", *BEHIND_FIRST)


def inner(network: arch.Architecture) -> str:
    """A regular expression for the Keras names of the convolutions that int8 files quantize.

    In the IMDN family, these are the convolutions inside blocks, without attention and fusion. In other networks, these
    are the ones with weights before and behind them. Empty if there are none.
    """
    if isinstance(network, arch.Network):
        return BLOCKS
    assert isinstance(network, arch.ZooNetwork)
    output = network.graph.outputs[network.scale]
    before: dict[Tensor, bool] = {}  # whether a layer with weights lies there
    for tensor in output.history():
        before[tensor] = any(before[source] or bool(source.layer and source.layer.weights) for source in tensor.inputs)
    last = last_weighted(output)
    names = [
        name
        for name, (layer, tensor) in stateful(network).items()
        if isinstance(layer, Convolve) and before.get(tensor) and layer not in last
    ]
    return rf"/({'|'.join(names)})(_\d+)?/" if names else ""


def of_untrained(network: arch.Architecture) -> str:
    """The choice for a file that is only timed, as one for `choices`. Its weights are random, and cannot choose.

    The networks in the package come to this choice, or to one that quantizes more. It is alike for all blocks, so that
    each block has one latency.
    """
    return _blocks(*BEHIND_FIRST) if isinstance(network, arch.Network) else inner(network)


def pays_in_onnxruntime(network: keras.Layer) -> bool:
    """Whether int8 makes a network faster in onnxruntime, which it does not if there are depthwise convolutions.

    onnxruntime computes float32 and int8 in different layouts. A conversion between the two costs as much as a
    depthwise convolution.
    """
    return not any(isinstance(layer, DepthwiseConv) for layer in network._flatten_layers())


def choices(network: arch.Architecture) -> list[str]:
    """The choices to try. Each leaves out some convolutions of the one before it.

    Extreme colours make extreme values where a block reads the trunk, in the first block above all. So the convolution
    that begins the first block is left out first, then those that begin the others, then all of the first block.
    """
    if not isinstance(network, arch.Network):
        return [chosen for chosen in [inner(network)] if chosen]
    behind = _blocks(*BEHIND_FIRST)
    if len(network.blocks) == 1:
        return [BLOCKS, behind]
    begins = _blocks("first", number=BUT_THE_FIRST)
    return [BLOCKS, f"{behind}|{begins}", behind, _blocks(*BEHIND_FIRST, number=BUT_THE_FIRST)]
