"""Model files of other makers: a SavedModel and an ONNX file are programs, and may do nothing here but compute.

What they may run is listed; all else is refused, whatever it does, before a runtime reads the file.
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
"""That an ONNX file may come to, with each call of a function as what it calls."""

_KINDS = {"user_object", "variable", "function", "bare_concrete_function", "constant", "captured_tensor"}
"""Objects of a SavedModel that loading it makes; others have files of their own, or run something then."""
_OBJECTS = {
    "_generic_user_object", "signature_map", "trackable_list_wrapper", "trackable_dict_wrapper",
    "trackable_tuple_wrapper",
}  # fmt: skip
_READ = ("saved_model.*", "variables/*", "assets/*", "fingerprint.pb")
"""What TensorFlow reads of a SavedModel's folder."""
_OTHER_FORMS = ("saved_model.cpb", "saved_model.pbtxt")
"""That TensorFlow would read too, one of them in the place of the file that is looked at here."""


def check_saved_model(path: Path) -> None:
    """Refuses a SavedModel that would do anything but compute when it is loaded or called.

    Every node of its graph and of every function in its library must be one of TENSORFLOW or call such a function, be
    it by an attribute or by its own name. SAVERS may stand in functions that only the graph's nodes for saving and
    restoring call: TensorFlow does not run those of a SavedModel of this kind. It comes without assets, tables and
    initializers, and its files are in its folder.

    Raises:
        ValueError: saying what it would do, or that it is no SavedModel.
        OSError: where it cannot be read.
    """
    _check_folder(path)
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(reading.content(path / "saved_model.pb"))
    except DecodeError:
        raise ValueError("its saved_model.pb is none") from None
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
            raise ValueError(f"its {file.name} is no file of its own")
        if file.parent.name == "assets":
            raise ValueError("it comes with files for its operations; a network of this kind has none")


def _check_objects(graph) -> None:
    """Refuses what loading would make, or run, besides variables and functions."""
    if graph.asset_file_def:
        raise ValueError("it comes with files for its operations; a network of this kind has none")
    for each in graph.object_graph_def.nodes:
        kind = each.WhichOneof("kind")
        if kind not in _KINDS or (kind == "user_object" and each.user_object.identifier not in _OBJECTS):
            raise ValueError(f"it holds a {(each.user_object.identifier or str(kind))[:60]}, which is no network's")
        if each.registered_name or each.registered_saver or each.saveable_objects:
            raise ValueError("it has its own way to be restored")


def _check_signature(graph) -> None:
    """Refuses what does not take an image and give one."""
    signature = graph.signature_def.get(SIGNATURE)
    if signature is None or set(signature.inputs) != {"lr"} or set(signature.outputs) != {"sr"}:
        raise ValueError(f"its {SIGNATURE} is not of an image lr to an image sr")
    for tensor in (signature.inputs["lr"], signature.outputs["sr"]):
        if tensor.dtype != types_pb2.DT_FLOAT:
            raise ValueError(f"its {SIGNATURE} is not of float32 images")


def _made_by_loading(objects) -> set[str]:
    """The functions that an object of the file gives a name to."""
    names = set(objects.concrete_functions)
    for each in objects.nodes:
        names |= {*each.function.concrete_functions, each.bare_concrete_function.concrete_function_name}
    return names


def _reached(nodes: Iterable, names: set[str], functions: Mapping[str, Iterable]) -> set[str]:
    """The functions that nodes call, by an attribute or as their operation, those that these call, and so on."""
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
    """All messages within a message, itself among them, whatever field they are in."""
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
    """Refuses an ONNX file with other operators than ONNX, or weights in other files, wherever in it they stand.

    Raises:
        ValueError: saying which; and where its functions call one another without end, or come to too many nodes.
        OSError: where it cannot be read.
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
"""Stands for a function that is being counted."""


def _count(graph: Message, functions: Mapping[tuple[str, str], Message], known: dict[tuple[str, str], int]) -> int:
    """The nodes that a graph comes to, with each call of a function as what it calls."""
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
"""Functions that a file may have in use."""


def _too_many() -> NoReturn:
    raise ValueError(f"its functions come to more than {NODES} nodes, or to no end")
