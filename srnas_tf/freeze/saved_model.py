"""Writes a network as a SavedModel, from which all other files are made."""

import contextlib
import functools
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2

from srnas_tf.freeze import decoding, serving, staged, stages_file
from srnas_tf.freeze.runtimes.runtime import SIGNATURE, Size
from srnas_tf.nets.stages import Stage


def save(
    network: keras.Layer, path: Path, cut: Sequence[Stage] = (), images: bool = False, size: Size | None = None
) -> None:
    """Writes a SavedModel. Its signature `serving_default` enlarges `lr` [batch, height, width, 3] to `sr`.

    Args:
        network: the network to export.
        path: folder for the SavedModel.
        cut: the network's stages. Each becomes a signature.
        images: whether to add a signature for image files (`serving.IMAGE`), and requests that warm it up.
        size: height and width of the only images of `serving_default`, one at a time; None for any.
    """
    shape = [1, *size, 3] if size else [None, None, None, 3]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="lr")])
    def serve(lr):
        return {"sr": network(lr)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve_image(image_bytes):
        return {"sr_bytes": tf.map_fn(lambda file: decoding.enlarge_file(network, file), image_bytes)}

    module = tf.Module()
    with sums_apart(network):
        # Only variables that the output depends on, because a network may hold weights for other scales. They are in
        # the network's order. TensorFlow has them in a set, and each export would be another file.
        used = {id(variable) for variable in serve.get_concrete_function().variables}
        module.variables_in_use = [each.value for each in network.variables if id(each.value) in used]
        signatures = {SIGNATURE: serve} | {stages_file.name(i): staged.traced(stage) for i, stage in enumerate(cut)}
        if images:
            signatures[serving.IMAGE] = serve_image
        tf.saved_model.save(module, str(path), signatures=signatures)
    _settle_fingerprint(path)
    if images:
        serving.write_warmup(path, size)


def _settle_fingerprint(path: Path) -> None:
    """Replaces the random number in a SavedModel's fingerprint by one that follows from its content."""
    file = path / "fingerprint.pb"
    mark = fingerprint_pb2.FingerprintDef()
    mark.ParseFromString(file.read_bytes())
    mark.uuid = str(uuid.UUID(int=mark.saved_model_checksum))
    file.write_bytes(mark.SerializeToString(deterministic=True))


@contextlib.contextmanager
def sums_apart(network: keras.Layer) -> Iterator[None]:
    """A context. Convolutions that are traced in it are not fused with additions behind them.

    TensorFlow makes one kernel of a convolution, its bias and the addition behind it. With oneDNN (TensorFlow 2.21) two
    threads must not run that kernel at once. A server that answers two requests would answer wrongly, or end with a
    segmentation fault. An assertion of the shape stands between the two here. It costs nothing, and no optimizer
    removes it. Converters to other formats drop it.
    """
    convolutions = [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.Conv2D) and layer.activation is keras.activations.linear
    ]
    for layer in convolutions:
        layer.activation = functools.partial(tf.ensure_shape, shape=[None, None, None, layer.filters])
    try:
        yield
    finally:
        for layer in convolutions:
            layer.activation = keras.activations.linear
