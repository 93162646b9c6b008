"""Checks model files of other makers. A SavedModel and an ONNX file are programs, and may only compute here.

Allowed operations are listed. All others are refused before a runtime reads the file.
"""

import itertools
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from tensorflow.core.framework import node_def_pb2, types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from srnas_tf import reading
from srnas_tf.freeze.operations import ONNX, SAVERS, TENSORFLOW
from srnas_tf.freeze.runtimes.runtime import SIGNATURE

NODES = 100_000
"""Limit of the nodes of an ONNX file, with the nodes of each called function."""

_KINDS = {"user_object", "variable", "function", "bare_concrete_function", "constant", "captured_tensor"}
"""Objects of a SavedModel that may be loaded. Others have their own files, or run something."""
_OBJECTS = {
    "_generic_user_object", "signature_map", "trackable_list_wrapper", "trackable_dict_wrapper",
    "trackable_tuple_wrapper",
}  # fmt: skip
_READ = ("saved_model.*", "variables/*", "assets/*", "fingerprint.pb")
"""The files of a SavedModel that TensorFlow reads."""
_OTHER_FORMS = ("saved_model.cpb", "saved_model.pbtxt")
"""Files that TensorFlow would read too. One of them would replace the file that is checked here."""


def check_saved_model(path: Path) -> None:
    """Refuses a SavedModel that would do more than compute when it is loaded or called.

    Every node of its graph and of its functions must be one of TENSORFLOW, or call such a function. SAVERS are allowed
    in functions that only the nodes for saving and restoring call, because TensorFlow does not run these. Assets,
    tables and initializers are refused. All files must be in its folder.

    Raises:
        ValueError: says what it would do, or that it is no SavedModel.
        OSError: if it cannot be read.
    """
    _check_folder(path)
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(reading.content(path / "saved_model.pb"))
    except DecodeError:
        raise ValueError("its saved_model.pb is not a SavedModel") from None
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise ValueError("it is of TensorFlow 1, or of several graphs; save it with TensorFlow 2")
    [graph] = model.meta_graphs
    _check_objects(graph)
    _check_signature(graph)
    functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
    if len(functions) < len(graph.graph_def.library.function):
        raise ValueError("two of its functions have one name")
    if any("api_implements" in function.attr for function in graph.graph_def.library.function):
        raise ValueError("its functions stand for one another")  # TensorFlow may choose one that is not called
    saving = {graph.saver_def.save_tensor_name.partition(":")[0], graph.saver_def.restore_op_name}
    called = [node for node in graph.graph_def.node if node.name not in saving]
    reached = _reached(called, _made_by_loading(graph.object_graph_def), functions)
    for nodes, more in (
        (graph.graph_def.node, frozenset()),
        *((nodes, frozenset() if name in reached else SAVERS) for name, nodes in functions.items()),
    ):
        for node in nodes:
            if node.op not in TENSORFLOW | more and node.op not in functions:
                raise ValueError(f"it would run {node.op[:60]!r}, which is more than computing")


def _check_folder(path: Path) -> None:
    for other in _OTHER_FORMS:
        if (path / other).exists() or (path / other).is_symlink():
            raise ValueError(f"it comes as {other}; a SavedModel of this kind is saved_model.pb")
    for folder in (path / "variables", path / "assets"):
        if folder.is_symlink():
            raise ValueError(f"its {folder.name} lie elsewhere")
    for file in itertools.chain.from_iterable(path.glob(pattern) for pattern in _READ):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise ValueError(f"its {file.name} is not a regular file")
        if file.parent.name == "assets":
            raise ValueError("it comes with files for its operations; a network of this kind has none")


def _check_objects(graph) -> None:
    """Refuses objects other than variables and functions."""
    if graph.asset_file_def:
        raise ValueError("it comes with files for its operations; a network of this kind has none")
    for each in graph.object_graph_def.nodes:
        kind = each.WhichOneof("kind")
        if kind not in _KINDS or (kind == "user_object" and each.user_object.identifier not in _OBJECTS):
            raise ValueError(f"it holds a {(each.user_object.identifier or str(kind))[:60]}, which is no network's")
        if each.registered_name or each.registered_saver or each.saveable_objects:
            raise ValueError("it has its own way to be restored")


def _check_signature(graph) -> None:
    """Refuses signatures that are not from one image to one image."""
    signature = graph.signature_def.get(SIGNATURE)
    if signature is None or set(signature.inputs) != {"lr"} or set(signature.outputs) != {"sr"}:
        raise ValueError(f"its {SIGNATURE} is not of an image lr to an image sr")
    for tensor in (signature.inputs["lr"], signature.outputs["sr"]):
        if tensor.dtype != types_pb2.DT_FLOAT:
            raise ValueError(f"its {SIGNATURE} is not of float32 images")


def _made_by_loading(objects) -> set[str]:
    """The functions that objects of the file name."""
    names = set(objects.concrete_functions)
    for each in objects.nodes:
        names |= {*each.function.concrete_functions, each.bare_concrete_function.concrete_function_name}
    return names


def _reached(nodes: Iterable, names: set[str], functions: Mapping[str, Iterable]) -> set[str]:
    """All functions that nodes call, directly or through others, by an attribute or as their operation."""
    reached = set(names)
    pending = [nodes, *(functions.get(name, ()) for name in names)]
    while pending:
        fresh = {name for node in pending.pop() for name in _called_by(node) if name in functions} - reached
        reached |= fresh
        pending += [functions[name] for name in fresh]
    return reached


def _called_by(node) -> Iterator[str]:
    yield node.op
    yield from (each.name for each in _messages(node) if isinstance(each, _NAMED_FUNCTION))


_NAMED_FUNCTION = type(node_def_pb2.NodeDef().attr["f"].func)


def _messages(message: Message) -> Iterator[Message]:
    """A message and all messages within it, in any field."""
    pending = [message]
    while pending:
        each = pending.pop()
        yield each
        for field, value in each.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                pending += [item for item in value.values() if isinstance(item, Message)]
            else:
                pending += [value] if isinstance(value, Message) else value


def check_onnx(path: Path) -> None:
    """Refuses an ONNX file that has operators outside of ONNX, or weights in other files.

    Raises:
        ValueError: names them. Also if functions call one another without end, or have too many nodes.
        OSError: if it cannot be read.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(reading.content(path))
    except DecodeError:
        raise ValueError("it is no ONNX file") from None
    functions = {(function.domain, function.name): function for function in model.functions}
    for each in _messages(model):
        if isinstance(each, onnx.TensorProto) and (
            each.data_location != onnx.TensorProto.DEFAULT or each.external_data
        ):
            raise ValueError("its weights lie in other files")
        if isinstance(each, onnx.NodeProto) and not _may_run(each, functions):
            name = ".".join(filter(None, (each.domain, each.op_type)))
            raise ValueError(f"it would run {name[:60]!r}, which is more than computing")
    _count(model.graph, functions, {})


def _may_run(node: onnx.NodeProto, functions: Mapping) -> bool:
    return (node.domain, node.op_type) in functions or (node.domain in ("", "ai.onnx") and node.op_type in ONNX)


_OPEN = -1
"""Marks a function that is being counted."""


def _count(graph: Message, functions: Mapping[tuple[str, str], Message], known: dict[tuple[str, str], int]) -> int:
    """The number of a graph's nodes, with the nodes of each called function."""
    total = 0
    for node in _messages(graph):
        if not isinstance(node, onnx.NodeProto):
            continue
        total += 1
        key = (node.domain, node.op_type)
        if key in functions:
            if key not in known:
                known[key] = _OPEN
                known[key] = _count(functions[key], functions, known)
            if known[key] == _OPEN or len(known) > _DEEPEST:
                _too_many()
            total += known[key]
        if total > NODES:
            _too_many()
    return total


_DEEPEST = 200
"""Limit of nested function calls."""


def _too_many() -> NoReturn:
    raise ValueError(f"its functions come to more than {NODES} nodes, or to no end")
