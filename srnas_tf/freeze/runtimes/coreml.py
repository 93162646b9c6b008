"""Core ML: packages in float16, by coremltools. They can be made and read anywhere, and run on macOS alone."""

import logging
import sys
from pathlib import Path

import numpy as np

from .runtime import SIGNATURE, Form, Job, Opened, Runtime, size_of

MIN_SIDE, USUAL_SIDE, MAX_SIDE = 16, 128, 2048
"""The least and the greatest side of an image in pixels, and the side that a package is optimized for."""


def _coremltools():
    """Imports coremltools, which warns of other libraries' versions."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    import coremltools

    return coremltools


def _open(path: Path, threads: int = 0) -> Opened:
    if not _runs():
        raise ValueError("Core ML runs on macOS alone; take another file")
    model = _coremltools().models.MLModel(str(path))
    [taken] = model.get_spec().description.input
    sides = [] if taken.type.multiArrayType.HasField("shapeRange") else list(taken.type.multiArrayType.shape)[1:3]
    return Opened(lambda batch: np.asarray(model.predict({"lr": batch})["sr"]), size_of(sides or (None, None)))


def _runs() -> bool:
    return sys.platform == "darwin"


def _operators(path: Path) -> set[str]:
    spec = _coremltools().models.MLModel(str(path), skip_model_load=True).get_spec()
    blocks = spec.mlProgram.functions["main"].block_specializations.values()
    made = {operation.type for block in blocks for operation in block.operations}
    if not made or [each.name for each in spec.description.output] != ["sr"]:
        raise ValueError("is no program of an image lr to an image sr")
    return {f"custom {name}" if name.startswith("custom") else name for name in made}


def _check(path: Path) -> None:
    foreign = [name for name in _operators(path) if name.startswith("custom ")]
    if foreign:
        raise ValueError(f"it would run {foreign[0][:60]!r}, which is more than computing")


def _whole(job: Job) -> None:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    ct = _coremltools()
    loaded = tf.saved_model.load(str(job.source))  # a signature does not hold on to its variables
    serve = loaded.signatures[SIGNATURE]
    [taken] = serve.structured_input_signature[1].values()
    size = size_of(taken.shape[1:3])
    spec = tf.TensorSpec([1, *(size or (None, None)), 3], tf.float32, name="lr")
    run = tf.function(lambda lr: tf.identity(serve(lr=lr)["sr"], name="sr"), [spec]).get_concrete_function()
    graph = convert_variables_to_constants_v2(run).graph.as_graph_def()
    for node in graph.node:
        if node.op == "EnsureShape":  # which coremltools does not know
            node.op = "Identity"
            del node.attr["shape"]
    alone = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), []).prune("lr:0", "sr:0")
    sides = size or [ct.RangeDim(MIN_SIDE, MAX_SIDE, USUAL_SIDE), ct.RangeDim(MIN_SIDE, MAX_SIDE, USUAL_SIDE)]
    model = ct.convert(
        [alone],
        source="tensorflow",
        convert_to="mlprogram",
        inputs=[ct.TensorType(name="lr", shape=(1, *sides, 3))],
        minimum_deployment_target=ct.target.iOS15,
    )
    model.short_description = job.described.get("description", "")
    model.version = job.described.get("version", "")
    model.user_defined_metadata.update({f"srnas_tf.{key}": value for key, value in job.described.items()})
    model.save(str(job.target))


RUNTIME = Runtime(
    name="coreml",
    module="coremltools",
    file="model.mlpackage",
    open=_open,
    operators=_operators,
    check=_check,
    forms=(Form("model.mlpackage", _whole, 2e-2, 0.1, optional=True, made_by="coremltools"),),
    extra="coreml",
    folder=True,
    runs=_runs,
)
