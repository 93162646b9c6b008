"""Model files of other makers: a SavedModel and an ONNX file are programs, and may do nothing here but compute."""

import re
from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx.external_data_helper import uses_external_data
from tensorflow.core.protobuf import saved_model_pb2

_REACHES_OUT = re.compile(
    r"File|PyFunc|Save|Restore|Checkpoint|Print|Summary|Dataset|Iterator|Reader|Lookup|HashTable|Queue|Rpc|Remote|Debug"
)
"""Operations of TensorFlow that read or write files, run Python, or print, by what their names have in common."""


def check_saved_model(path: Path) -> None:
    """Refuses a SavedModel that would do anything but compute when it is loaded or called.

    The functions that save and restore it, which its maker leaves in every file, are not among those that are called.

    Raises:
        ValueError: where it would, or is no SavedModel.
        OSError: where it cannot be read.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((path / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf has several implementations, with errors of their own
        if isinstance(error, OSError):
            raise
        raise ValueError("its saved_model.pb is none") from None
    for graph in model.meta_graphs:
        if graph.asset_file_def:
            raise ValueError("it comes with files for its operations; a network of this kind has none")
        functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
        called = set(graph.object_graph_def.concrete_functions)
        pending = [functions.get(name, ()) for name in called]
        while pending:
            for node in pending.pop():
                if _REACHES_OUT.search(node.op):
                    raise ValueError(f"it would run {node.op}, which is more than computing")
                fresh = {name for name in _called_by(node) if name not in called}
                called |= fresh
                pending += [functions.get(name, ()) for name in fresh]


def _called_by(node) -> Iterable[str]:
    """The functions that a node calls."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def check_onnx(path: Path) -> None:
    """Refuses an ONNX file whose weights lie in other files, wherever on this machine it says.

    Raises:
        ValueError: where they do.
    """
    model = onnx.load(path, load_external_data=False)
    if any(uses_external_data(tensor) for tensor in _tensors(model.graph)):
        raise ValueError("its weights lie in other files")


def _tensors(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
