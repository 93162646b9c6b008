"""What frozen files consist of, read off the files themselves."""

from pathlib import Path

import numpy as np
import onnx
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from srnas_tf.errors import WorkError, first_line

OPSET = 18
"""Of all ONNX files: the newest that tf2onnx accepts in practice."""

_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def litert_operators(path: Path) -> set[str]:
    """The operators that a LiteRT file uses; one that is not built in, a Flex operation for one, as `custom NAME`."""
    codes = flatbuffer_utils.read_model(str(path)).operatorCodes
    # Codes up to 127 stood in another field once, and stand there still.
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in codes]
    return {
        f"custom {code.customCode.decode()}" if number == schema.BuiltinOperator.CUSTOM else _NAMES[number]
        for code, number in zip(codes, numbers, strict=True)
    }


def check(path: Path) -> None:
    """Refuses a file that its runtime, as it comes, could not run: LiteRT with more than built-in operators, ONNX that
    its checker complains of or that is not of opset OPSET alone.

    Raises:
        WorkError: with what is wrong.
    """
    if path.suffix == ".tflite":
        foreign = sorted(name for name in litert_operators(path) if name.startswith("custom "))
        if foreign:
            raise WorkError(f"{path}: needs more than LiteRT's built-in operators: {', '.join(foreign)}")
    elif path.suffix == ".onnx":
        model = onnx.load(path)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise WorkError(f"{path}: is no valid ONNX ({first_line(error)})") from None
        opsets = {opset.domain: opset.version for opset in model.opset_import}
        used = {(node.domain, opsets.get(node.domain)) for node in model.graph.node}
        if used != {("", OPSET)}:
            raise WorkError(f"{path}: is of opsets {sorted(used)}, not of {OPSET} alone")


def take_levels(path: Path) -> None:
    """Makes a LiteRT file with float32 in and out take and give uint8: scale 1/255, zero point 0.

    Operators that are already there do the rest: DEQUANTIZE after the input, QUANTIZE, which rounds and clips, before
    the output.
    """
    model = flatbuffer_utils.read_model(str(path))
    [graph] = model.subgraphs
    taken, made = _levels(graph, graph.inputs), _levels(graph, graph.outputs)
    before = _operator(model, schema.BuiltinOperator.DEQUANTIZE, taken, graph.inputs[0])
    after = _operator(model, schema.BuiltinOperator.QUANTIZE, graph.outputs[0], made)
    graph.operators = [before, *graph.operators, after]
    for signature in model.signatureDefs:
        signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = taken, made
    graph.inputs, graph.outputs = np.array([taken], np.int32), np.array([made], np.int32)
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _levels(graph, tensors) -> int:
    """Adds a tensor of levels beside the only one of these, of the same shape, and gives its number."""
    [index] = tensors
    floats = graph.tensors[index]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.shapeSignature = floats.name + b"_levels", floats.shape, floats.shapeSignature
    tensor.hasRank, tensor.buffer, tensor.type = floats.hasRank, 0, schema.TensorType.UINT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = np.array([1 / 255], np.float32), np.array([0], np.int64)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model, builtin: int, source: int, target: int):
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 2
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([target], np.int32)
    return operator
