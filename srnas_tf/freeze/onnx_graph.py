"""Tidies ONNX files, so that the same network always gives the same bytes. Needs onnx alone."""

import copy
import re
from collections import Counter
from collections.abc import Callable, Mapping

import onnx

TO_PIXELS, TO_PLANES = [0, 2, 3, 1], [0, 3, 1, 2]
"""Permutations of axes, to [n, height, width, channels] and back."""

_AROUND = ("PartitionedCall", "StatefulPartitionedCall")
"""The parts that TensorFlow adds to a network's names."""


def tidied(model: onnx.ModelProto, described: Mapping[str, str]) -> onnx.ModelProto:
    """A copy of a model that computes the same.

    tf2onnx numbers new nodes by a counter of the process, and orders weights by Python's sets. Here, names are those of
    the network's layers, and the order is the graph's.

    Args:
        model: the converter's output.
        described: its metadata, for `metadata_props`. `description` is also its doc_string.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _split_planes(made.graph)
    _order(made.graph)
    _rename(made.graph)
    places = [*(name for node in made.graph.node for name in node.input), *(value.name for value in made.graph.output)]
    taken = {name: i for i, name in enumerate(places)}
    used = [weight for weight in made.graph.initializer if weight.name in taken]
    weights = [copy.deepcopy(weight) for weight in sorted(used, key=lambda weight: taken[weight.name])]
    del made.graph.initializer[:], made.graph.value_info[:], made.metadata_props[:]
    made.graph.initializer.extend(weights)
    domains = {node.domain for node in made.graph.node}
    opsets = sorted((each.domain, each.version) for each in model.opset_import if each.domain in domains)
    del made.opset_import[:]
    made.opset_import.extend(onnx.helper.make_opsetid(*opset) for opset in opsets)
    made.graph.name, made.graph.doc_string = "srnas", ""
    made.doc_string = described.get("description", "")
    onnx.helper.set_model_props(made, dict(described))
    return made


def _split_planes(graph: onnx.GraphProto) -> None:
    """Splits channels in place. tf2onnx would move them to the last axis and back."""
    made = {value.name for value in graph.output}
    for split in [node for node in graph.node if node.op_type == "Split"]:
        makers, readers = {name: node for node in graph.node for name in node.output}, _readers(graph)
        before = makers.get(split.input[0])
        after = [node for name in split.output for node in readers.get(name, ())]
        [axis] = [each for each in split.attribute if each.name == "axis"] or [None]
        if not before or not axis or axis.i not in (3, -1) or not _turns(before, TO_PIXELS):
            continue
        if not all(_turns(node, TO_PLANES) and node.output[0] not in made for node in after):
            continue
        axis.i, split.input[0] = 1, before.input[0]
        for node in after:
            for reader in readers.get(node.output[0], ()):
                reader.input[:] = [node.input[0] if name == node.output[0] else name for name in reader.input]
            graph.node.remove(node)


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """For each tensor, the nodes that read it."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _turns(node: onnx.NodeProto, axes: list[int]) -> bool:
    return node.op_type == "Transpose" and any(list(each.ints) == axes for each in node.attribute)


def _order(graph: onnx.GraphProto) -> None:
    """Orders nodes by the outputs' needs, and drops nodes that no output needs."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    ordered: list[int] = []
    done: set[int] = set()
    pending = [(makers[value.name], False) for value in reversed(graph.output) if value.name in makers]
    while pending:
        number, asked = pending.pop()
        if number in done:
            continue
        if asked:
            done.add(number)
            ordered.append(number)
            continue
        pending.append((number, True))
        pending += [(makers[name], False) for name in reversed(graph.node[number].input) if name in makers]
    kept = [copy.deepcopy(graph.node[number]) for number in ordered]
    del graph.node[:]
    graph.node.extend(kept)


def _rename(graph: onnx.GraphProto) -> None:
    """Names nodes, their outputs and weights after layers."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    node_named, tensor_named = _unique(), _unique()
    for node in graph.node:
        plain = _plain(_full_name(node))
        for i, name in enumerate(node.input):
            if name not in names:  # a weight, since the outputs of earlier nodes have names
                names[name] = tensor_named(f"{plain}/{_part(node, i)}") if name else ""
        for name in node.output:
            if name not in names:
                names[name] = tensor_named(plain) if name else ""
        node.name = node_named(plain)
    for node in graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for weight in graph.initializer:
        weight.name = names.get(weight.name, weight.name)


def _full_name(node: onnx.NodeProto) -> str:
    """A node's name. A convolution that tf2onnx has replaced is named by its bias."""
    if node.op_type != "Conv" or "/" in node.name:
        return node.name
    layers = [name.rsplit("/", 2)[0] for name in node.input if name.count("/") > 1 and "ReadVariableOp" in name]
    return f"{layers[0]}/convolution" if layers else node.name


def _part(node: onnx.NodeProto, place: int) -> str:
    """The role of a weight in its node."""
    return {1: "kernel", 2: "bias"}.get(place, str(place)) if node.op_type in ("Conv", "ConvTranspose") else str(place)


def _plain(name: str) -> str:
    """A node's name without counters and TensorFlow's additions."""
    parts = [re.sub(r"_\d+$", "", part) for part in re.sub(r"__\d+", "", name).split("/")]
    return "/".join(part for part in parts if part not in _AROUND) or "node"


def _unique() -> Callable[[str], str]:
    """A function that makes names unique, by a number behind those that are taken."""
    seen: Counter[str] = Counter()
    taken: set[str] = set()

    def named(wanted: str) -> str:
        name = wanted
        while name in taken:
            seen[wanted] += 1
            name = f"{wanted}_{seen[wanted]}"
        taken.add(name)
        return name

    return named
