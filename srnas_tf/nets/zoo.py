"""A network of the zoo as an ordinary Keras model."""

from collections.abc import Callable

import keras
from keras import ops

from srnas_tf import arch
from srnas_tf.arch.graph import Layer, Tensor, Weight
from srnas_tf.nets.exporting import Exportable
from srnas_tf.nets.graph import STATEFUL, STATELESS, build


@keras.saving.register_keras_serializable("srnas_tf")
class ZooNet(Exportable):
    """A network of the zoo, by its graph.

    Input: float [batch, height, width, 3], RGB in 0..1, any height and width. Output: float32 [batch, height * scale,
    width * scale, 3], not clipped. Weights that only other scales use are not trainable.

    Args:
        network: an `arch.ZooNetwork`, or its text form.
        provenance: how its weights were made; plain data, which model files keep.

    Examples:
        >>> ZooNet("x2:fsrcnn")(keras.ops.ones((1, 8, 8, 3))).shape
        TensorShape([1, 16, 16, 3])
    """

    def __init__(self, network: arch.ZooNetwork | str, provenance: dict | None = None, **kwargs) -> None:
        # Each layer casts for itself. The image, to which the network's output is added, stays float32. The name as in
        # `Frame`.
        super().__init__(**{"name": type(self).__name__.lower(), "autocast": False, **kwargs})
        self.network = arch.ZooNetwork.parse(network) if isinstance(network, str) else network
        self.scale, self.start = self.network.scale, self.network.system.start
        self.provenance = provenance or {}
        graph = self.network.graph
        output = graph.outputs[self.scale]
        last = last_weighted(output)
        made: dict[Layer, keras.Layer] = {}
        for name, (layer, tensor) in stateful(self.network).items():
            policy = "float32" if layer in last else self.dtype_policy
            made[layer] = build(layer, tensor.inputs[0].channels, name=name, dtype=policy)
        used = {tensor.layer for tensor in output.history()}
        for layer, keras_layer in made.items():
            keras_layer.trainable = layer in used
        self.parts = list(made.values())
        self._starts = [weight for layer in made for weight in layer.weights]
        self._run = _runner(graph.image, output, made)
        self.built = True

    def call(self, lr):
        return ops.cast(self._run(ops.cast(lr, "float32")), "float32")

    @property
    def variables_to_draw(self) -> list[tuple[keras.Variable, Weight]]:
        """The trainable variables, each with how it starts."""
        drawn = [v for part in self.parts for v in part.weights if not _is_statistic(part)]
        return list(zip(drawn, self._starts, strict=True))

    def get_config(self) -> dict:
        config = super().get_config()
        return {**config, "network": str(self.network), "provenance": dict(self.provenance)}


def _is_statistic(part: keras.Layer) -> bool:
    return isinstance(part, keras.layers.BatchNormalization)


def stateful(network: arch.ZooNetwork) -> dict[str, tuple[Layer, Tensor]]:
    """The layers with state by their Keras names, each with the first tensor that it makes."""
    found: dict[Layer, Tensor] = {}
    for tensor in (tensor for output in network.graph.outputs.values() for tensor in output.history()):
        if tensor.layer and type(tensor.layer) in STATEFUL:
            found.setdefault(tensor.layer, tensor)
    return {f"{type(layer).__name__.lower()}{i}": (layer, tensor) for i, (layer, tensor) in enumerate(found.items())}


def last_weighted(output: Tensor) -> set[Layer]:
    """The last layers with weights. They run in float32 under any policy, because pixels leave them."""
    last: set[Layer] = set()
    pending = [output]
    while pending:
        tensor = pending.pop()
        if tensor.layer and tensor.layer.weights:
            last.add(tensor.layer)
        else:
            pending += tensor.inputs
    return last


def _runner(image: Tensor, output: Tensor, made: dict[Layer, keras.Layer]) -> Callable:
    """The graph as a function of the image."""
    steps = [
        (tensor, made.get(tensor.layer) or STATELESS[type(tensor.layer)](tensor.layer))
        for tensor in output.history()
        if tensor.layer
    ]

    def run(lr):
        values = {image: lr}
        for tensor, step in steps:
            values[tensor] = step(*(values[source] for source in tensor.inputs))
        return values[output]

    return run
