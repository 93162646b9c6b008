"""What of a network may be int8 (docs/int8.md)."""

import keras

from srnas_tf import arch
from srnas_tf.arch.graph import Convolve, Tensor
from srnas_tf.nets.conv import DepthwiseConv
from srnas_tf.nets.zoo import last_weighted, stateful

BLOCKS = r"block\d+(_\d+)?/(first|branch\d+|trunk\d+|last)(_\d+)?/"


def inner(network: arch.Architecture) -> str:
    """A regular expression for the names of the convolutions that int8 files quantize, as Keras has them.

    Of the IMDN family those inside the blocks but the attention's and the fusion; of other networks those with weights
    before them and behind them. Empty where there are none.
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


def pays_in_onnxruntime(network: keras.Layer) -> bool:
    """Whether int8 makes a network faster in onnxruntime: not where depthwise convolutions stand between the others.

    onnxruntime computes float32 and int8 in different layouts. Each way between the two costs as much as a depthwise
    convolution, which has nine products a value.
    """
    return not any(isinstance(layer, DepthwiseConv) for layer in network._flatten_layers())


def choices(network: arch.Architecture) -> list[str]:
    """What to try, the most first: the blocks' first convolutions take the trunk, and cost most where values are
    extreme.
    """
    chosen = inner(network)
    return [each for each in dict.fromkeys((chosen, chosen.replace("first|", ""))) if each]
