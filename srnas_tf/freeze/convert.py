"""SavedModel -> LiteRT and ONNX. Run as a process of its own: the converters leak memory and are loud.

python -m srnas_tf.freeze.convert SAVED_MODEL TARGET=FILE ... [-- SAVED_MODEL TARGET=FILE ...]

It prints the name of each file that it has written.
"""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

OPSET = 18
"""The newest ONNX opset that tf2onnx accepts in practice."""

STAGE = "stage"
"""What the SavedModel's signatures of stages begin with; two digits follow."""


def _litert(source: Path, target: Path, half: bool = False) -> None:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=["serving_default"])
    # Built-in operations only: what needs Flex or a custom operation fails here, not on the phone.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    target.write_bytes(converter.convert())


def _litert_half(source: Path, target: Path) -> None:
    _litert(source, target, half=True)


def _litert_stages(source: Path, target: Path) -> None:
    """All stages in one file, a signature each."""
    names = sorted(name for name in _signatures(source) if name.startswith(STAGE))
    target.parent.mkdir(exist_ok=True)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=names)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    target.write_bytes(converter.convert())


def _signatures(source: Path) -> list[str]:
    return list(tf.saved_model.load(str(source)).signatures)


def _onnx_stages(source: Path, target: Path) -> None:
    """A file for each stage, `stage00.onnx` the first, beside the target."""
    import onnx
    import tf2onnx

    loaded = tf.saved_model.load(str(source))
    target.parent.mkdir(exist_ok=True)
    for name, serve in loaded.signatures.items():
        if not name.startswith(STAGE):
            continue
        specs = serve.structured_input_signature[1]
        names = sorted(specs)
        made = sorted(key for key in serve.structured_outputs if key.startswith("out"))

        @tf.function(input_signature=[specs[name] for name in names])
        def run(*given, serve=serve, names=names):
            return serve(**dict(zip(names, given, strict=True)))

        model, _ = tf2onnx.convert.from_function(
            run,
            run.input_signature,
            opset=OPSET,
            inputs_as_nchw=[name for name in names if name.startswith("map")],
            outputs_as_nchw=made,
        )
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(target.parent / f"{name}.onnx"))


def _onnx(source: Path, target: Path) -> None:
    import onnx
    import tf2onnx

    loaded = tf.saved_model.load(str(source))  # a signature does not hold on to its variables
    serve = loaded.signatures["serving_default"]

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="lr")])
    def run(lr):
        return {"sr": serve(lr=lr)["sr"]}

    model, _ = tf2onnx.convert.from_function(
        run, run.input_signature, opset=OPSET, inputs_as_nchw=["lr"], outputs_as_nchw=["sr"]
    )
    for value, sides in ((model.graph.input[0], "height width"), (model.graph.output[0], "sr_height sr_width")):
        names = ["batch", None, *sides.split()]
        for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
            if name:
                dimension.dim_param = name
            else:
                dimension.dim_value = 3
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(target))


CONVERTERS: dict[str, Callable[[Path, Path], None]] = {
    "litert": _litert,
    "litert_fp16": _litert_half,
    "onnx": _onnx,
    "litert_stages": _litert_stages,
    "onnx_stages": _onnx_stages,
}


def main(argv: list[str]) -> None:
    for separates, job in itertools.groupby(argv, lambda argument: argument == "--"):
        if separates:
            continue
        source, *targets = job
        for target in targets:
            name, _, path = target.partition("=")
            CONVERTERS[name](Path(source), Path(path))
            print(path, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
