"""Reads and changes LiteRT files."""

import json
from collections.abc import Mapping
from pathlib import Path

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

METADATA, DESCRIBED = b"TFLITE_METADATA", b"srnas_tf"
"""Names of a file's metadata."""

_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def operators(path: Path) -> set[str]:
    """The operators of a file. Those that are not built in, such as Flex operations, are `custom NAME`."""
    codes = flatbuffer_utils.read_model(str(path)).operatorCodes
    # Codes up to 127 are also in an older field.
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in codes]
    return {
        f"custom {code.customCode.decode()}" if number == schema.BuiltinOperator.CUSTOM else _NAMES[number]
        for code, number in zip(codes, numbers, strict=True)
    }


def describe(path: Path, described: Mapping[str, str]) -> None:
    """Adds a file's description: as LiteRT's own metadata, which tools show, and as JSON under the name DESCRIBED."""
    if not described:
        return
    model = flatbuffer_utils.read_model(str(path))
    model.description = described["description"].encode()
    model.metadata = [each for each in model.metadata or [] if each.name not in (METADATA, DESCRIBED)]
    for name, content in (
        (METADATA, _metadata(described)),
        (DESCRIBED, json.dumps(dict(described), indent=1).encode()),
    ):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        model.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(model.buffers) - 1
        model.metadata.append(entry)
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _metadata(described: Mapping[str, str]) -> bytes:
    """A ModelMetadata of tflite's metadata_schema.fbs. It is written by hand, because its library needs an older
    Python.
    """
    builder = flatbuffers.Builder(256)
    fields = {0: described["architecture"], 1: described["description"], 2: described["version"]}
    offsets = {field: builder.CreateString(text) for field, text in fields.items()}
    builder.StartObject(8)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.Finish(builder.EndObject(), b"M001")
    return bytes(builder.Output())


def take_levels(path: Path) -> None:
    """Changes input and output of a LiteRT file from float32 to uint8, with scale 1/255 and zero point 0.

    Existing operators convert: DEQUANTIZE after the input, and QUANTIZE, which rounds and clips, before the output.
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
    """Adds a uint8 tensor of the same shape as the only one of `tensors`. Returns its number."""
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
