"""SavedModel -> LiteRT and ONNX. Run as a process of its own: the converters leak memory and are loud.

python -m srnas_tf.freeze.convert SAVED_MODEL TARGET=FILE ... [-- SAVED_MODEL TARGET=FILE ...]

It prints the name of each file that it has written. `patches=FILE.npy` before the targets names representative images,
float32 [n, height, width, 3] in 0..1, that int8 files learn their ranges of, and `inner=REGEX` the convolutions that
are int8 there, by their names; of several the first that leaves flat colours as they are.
"""

import copy
import functools
import itertools
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from srnas_tf.freeze import contents, ranges, stages_file
from srnas_tf.freeze.loaders import Size
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.freeze.tint import MOST, tint

if TYPE_CHECKING:
    import onnx


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
    names = sorted(name for name in _signatures(source) if name.startswith(stages_file.PREFIX))
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
        if not name.startswith(stages_file.PREFIX):
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
            opset=contents.OPSET,
            inputs_as_nchw=[name for name in names if name.startswith(("map", "mask"))],
            outputs_as_nchw=made,
        )
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(target.parent / f"{name}.onnx"))


@functools.cache
def _onnx_model(source: Path) -> "onnx.ModelProto":
    """In float32, checked; what the other forms are made from, too."""
    import onnx
    import tf2onnx

    loaded = tf.saved_model.load(str(source))  # a signature does not hold on to its variables
    serve = loaded.signatures["serving_default"]

    [taken] = serve.structured_input_signature[1].values()

    @tf.function(input_signature=[tf.TensorSpec(taken.shape, tf.float32, name="lr")])
    def run(lr):
        return {"sr": serve(lr=lr)["sr"]}

    model, _ = tf2onnx.convert.from_function(
        run, run.input_signature, opset=contents.OPSET, inputs_as_nchw=["lr"], outputs_as_nchw=["sr"]
    )
    shape = taken.shape.as_list()
    [made] = serve.structured_outputs.values()
    for value, sides, given in (
        (model.graph.input[0], "height width", shape),
        (model.graph.output[0], "sr_height sr_width", made.shape.as_list()),
    ):
        names = ["batch", "", *sides.split()]
        for dimension, name, fixed in zip(
            value.type.tensor_type.shape.dim, names, [given[0], 3, *given[1:3]], strict=True
        ):
            if fixed:
                dimension.dim_value = fixed
            else:
                dimension.dim_param = name
    onnx.checker.check_model(model, full_check=True)
    return model


def _onnx(source: Path, target: Path) -> None:
    target.write_bytes(_onnx_model(source).SerializeToString())


def _litert_int8(source: Path, target: Path, patches: np.ndarray, choices: list[str]) -> None:
    """int8 inside the blocks; what lost most by it (docs/int8.md) stays as it is."""
    from litert_quantizer import quantizer
    from litert_quantizer.recipe import TFLOperationName

    def quantize(whole: Path, inner: str) -> None:
        made = quantizer.Quantizer(str(whole))
        made.add_static_config(inner, TFLOperationName.CONV_2D, activation_num_bits=8, weight_num_bits=8)
        found, *extremes = (
            made.calibrate({"serving_default": [{"lr": image[None]} for image in each]})
            for each in (patches, *ranges.flats(patches.shape[1:3])[:, None])
        )
        target.write_bytes(made.quantize(functools.reduce(_held, extremes, found)).quantized_model)

    with tempfile.TemporaryDirectory() as folder:
        _litert(source, Path(folder) / "float.tflite")
        _least_tinted(quantize, Path(folder) / "float.tflite", target, choices, patches.shape[1:3])


def _held(found: dict, extremes: dict) -> dict:
    """Ranges of tensors, by name, that hold others of the same; of photographs they are moving averages."""
    return {
        name: {**known, "min": np.minimum(known["min"], other["min"]), "max": np.maximum(known["max"], other["max"])}
        if "min" in known and "min" in (other := extremes.get(name, {}))
        else known
        for name, known in found.items()
    }


def _least_tinted(
    quantize: Callable[[Path, str], None], whole: Path, target: Path, choices: list[str], size: Size
) -> None:
    """Makes a file with the first choice that leaves flat colours as `whole` has them; with the last, if none does."""
    expected = load_upscaler(whole, own=True)[0]
    for inner in choices:
        quantize(whole, inner)
        if tint(load_upscaler(target, own=True)[0], expected, size) <= MOST:
            return


def _litert_uint8(source: Path, target: Path, patches: np.ndarray, choices: list[str]) -> None:
    """The same with uint8 in and out."""
    _litert_int8(source, target, patches, choices)
    contents.take_levels(target)


def _onnx_half(source: Path, target: Path) -> None:
    """float16 inside; input, output and the statistics of the attention stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    whole = copy.deepcopy(_onnx_model(source))  # it is changed in place
    blocked = [*DEFAULT_OP_BLOCK_LIST, "ReduceMean", "Sub", "Sqrt"]
    half = OnnxModel(convert_float_to_float16(whole, keep_io_types=True, op_block_list=blocked))
    half.topological_sort()  # the casts come last, and the checker wants them before what they feed
    onnx.checker.check_model(half.model, full_check=True)
    onnx.save(half.model, str(target))


def _onnx_int8(source: Path, target: Path, patches: np.ndarray, choices: list[str]) -> None:
    """The same in ONNX: QDQ, weights by channel; what a convolution takes keeps its whole range (docs/int8.md)."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    flats = ranges.flats(patches.shape[1:3])
    photographs, extremes = (each.transpose(0, 3, 1, 2) for each in (patches, flats))

    class Images(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter([*photographs, *extremes])

        def get_next(self):
            image = next(self._left, None)
            return None if image is None else {"lr": image[None]}

    def quantize(whole: Path, inner: str) -> None:
        model = onnx.load(whole)
        chosen = [node for node in model.graph.node if node.op_type == "Conv" and re.search(inner, node.name)]
        made = ranges.least_error(model, [node.output[0] for node in chosen], photographs, extremes)
        overrides = {name: [{"rmin": np.float32(a), "rmax": np.float32(b)}] for name, (a, b) in made.items()}
        quantization.quantize_static(
            str(whole),
            str(target),
            Images(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"TensorQuantOverrides": overrides},
        )

    with tempfile.TemporaryDirectory() as folder:
        plain, tidy = Path(folder) / "float.onnx", Path(folder) / "tidy.onnx"
        _onnx(source, plain)
        quant_pre_process(str(plain), str(tidy), skip_symbolic_shape=True)
        _least_tinted(quantize, tidy, target, choices, patches.shape[1:3])
    onnx.checker.check_model(onnx.load(target), full_check=True)


CONVERTERS: dict[str, Callable[..., None]] = {
    "litert": _litert,
    "litert_fp16": _litert_half,
    "onnx": _onnx,
    "onnx_fp16": _onnx_half,
    "litert_stages": _litert_stages,
    "onnx_stages": _onnx_stages,
    "litert_int8": _litert_int8,
    "litert_uint8": _litert_uint8,
    "onnx_int8": _onnx_int8,
}
"""(SavedModel, target) -> None; those named int8 or uint8 take the patches and names of inner convolutions too."""


def main(argv: list[str]) -> None:
    for separates, job in itertools.groupby(argv, lambda argument: argument == "--"):
        if separates:
            continue
        source, *arguments = job
        known: dict[str, list[str]] = {"patches": [], "inner": []}
        for name, _, value in (argument.partition("=") for argument in arguments):
            if name in known:
                known[name].append(value)
                continue
            more = [np.load(known["patches"][0]), known["inner"]] if name.endswith("int8") else []
            CONVERTERS[name](Path(source), Path(value), *more)
            print(value, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
