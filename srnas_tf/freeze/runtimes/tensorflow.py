"""TensorFlow: SavedModels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .runtime import SIGNATURE, Arrays, Form, Opened, Runtime, Staged, size_of


def _open(path: Path, threads: int = 0) -> Opened:
    import tensorflow as tf

    if threads and tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)  # can be set before the first network only
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures[SIGNATURE]

    def run(batch: np.ndarray) -> np.ndarray:
        return serve(lr=tf.constant(batch))["sr"].numpy()

    run.keep = loaded  # type: ignore[attr-defined]  # a signature does not hold on to its variables
    return Opened(run, size_of(serve.structured_input_signature[1]["lr"].shape[1:3]))


def _operators(path: Path) -> set[str]:
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((path / "saved_model.pb").read_bytes())
    library = [function for graph in model.meta_graphs for function in graph.graph_def.library.function]
    own = {function.signature.name for function in library}
    return {node.op for function in library for node in function.node_def} - own


def _check(path: Path) -> None:
    from srnas_tf.freeze import untrusted

    untrusted.check_saved_model(path)


def _open_stages(path: Path, folder: Path) -> Callable[[int], Callable[[Arrays], Arrays]]:
    import tensorflow as tf

    from srnas_tf.freeze import stages_file

    loaded = tf.saved_model.load(str(path))

    def stage(number: int) -> Callable[[Arrays], Arrays]:
        return of_function(loaded.signatures[stages_file.name(number)], loaded)

    return stage


def of_function(function: Callable, keep: object = None) -> Callable[[Arrays], Arrays]:
    """A function of named tensors as one of arrays. It keeps its model alive."""
    import tensorflow as tf

    def run(given: Arrays) -> Arrays:
        return {key: made.numpy() for key, made in function(**{k: tf.constant(v) for k, v in given.items()}).items()}

    run.keep = keep  # type: ignore[attr-defined]
    return run


def _devices() -> list[str]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]


RUNTIME = Runtime(
    name="tf",
    module="tensorflow",
    file="saved_model/1",
    open=_open,
    operators=_operators,
    check=_check,
    forms=(Form("saved_model/1", None, 1e-4, 0.001),),
    staged=Staged(lambda folder, count: [], _open_stages, lambda path: None),
    devices=_devices,
    folder=True,
)
