"""SavedModel, ONNX and LiteRT files are programs: none does more here than compute, whatever its maker put where."""

import os
import sys
import time

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from srnas_tf import nets
from srnas_tf.arch import imdn
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze import operations, trial, untrusted
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.host import child
from srnas_tf.nets import files


def enlarge(lr):
    return tf.repeat(tf.repeat(lr, 2, 1), 2, 2)


def write(folder, serve=enlarge):
    """A SavedModel."""
    function = tf.function(lambda lr: {"sr": serve(lr)}, [tf.TensorSpec([None, None, None, 3], tf.float32, name="lr")])
    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": function})
    return folder


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A SavedModel with a variable."""
    module = tf.Module()
    module.v = tf.Variable(1.0)
    folder = tmp_path_factory.mktemp("programs") / "model"
    spec = [tf.TensorSpec([None, None, None, 3], tf.float32, name="lr")]
    function = tf.function(lambda lr: {"sr": module.v * enlarge(lr)}, spec)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": function})
    return folder


@pytest.fixture
def spoil(honest, tmp_path):
    """Changes a copy of the honest model's graph; returns the folder."""

    def change(how):
        for path in honest.rglob("*"):
            copy = tmp_path / "m" / path.relative_to(honest)
            copy.mkdir(parents=True) if path.is_dir() else copy.write_bytes(path.read_bytes())
        model = saved_model_pb2.SavedModel()
        model.ParseFromString((honest / "saved_model.pb").read_bytes())
        how(model)
        (tmp_path / "m" / "saved_model.pb").write_bytes(model.SerializeToString())
        return tmp_path / "m"

    (tmp_path / "m").mkdir()
    return change


def body(model):
    """The nodes of a function that is called."""
    functions = model.meta_graphs[0].graph_def.library.function
    return next(each.node_def for each in functions if "signature_wrapper" in each.signature.name)


UNKNOWN = ("ImmutableConst", "GenerateVocabRemapping", "RecordInput", "Abort", "WriteFile", "PyFunc", "NoSuchThing")


@pytest.mark.parametrize("op", UNKNOWN)
@pytest.mark.parametrize("place", ["a function", "the graph", "an unused function", "by its function's name"])
def test_operations_that_are_not_listed(spoil, op, place):
    def add(model):
        graph = model.meta_graphs[0].graph_def
        if place == "a function":
            body(model).add(name="evil", op=op)
        elif place == "the graph":
            graph.node.add(name="evil", op=op)
        else:
            function = graph.library.function.add()
            function.signature.name = "innocent"
            function.node_def.add(name="evil", op=op)
            if place == "by its function's name":
                body(model).add(name="call", op="innocent")

    with pytest.raises(ValueError, match=f"it would run '{op}', which is more than computing"):
        untrusted.check_saved_model(spoil(add))


def _call_saver(model):
    graph = model.meta_graphs[0].graph_def
    [saver] = [each.signature.name for each in graph.library.function if "traced_save" in each.signature.name]
    body(model).add(name="save", op=saver)


def _name_saver(model):
    [graph] = model.meta_graphs
    [saver] = [each.signature.name for each in graph.graph_def.library.function if "traced_save" in each.signature.name]
    graph.object_graph_def.nodes.add().bare_concrete_function.concrete_function_name = saver


def _stand_in(model):
    model.meta_graphs[0].graph_def.library.function[0].attr["api_implements"].s = b"x"


def _old(model):
    model.meta_graphs[0].ClearField("object_graph_def")


def _two(model):
    model.meta_graphs.add().CopyFrom(model.meta_graphs[0])


def _asset(model):
    model.meta_graphs[0].asset_file_def.add(filename="../../../etc/passwd")


def _table(model):
    model.meta_graphs[0].object_graph_def.nodes.add().resource.device = ""


def _revived(model):
    model.meta_graphs[0].object_graph_def.nodes.add().user_object.identifier = "optimizer"


def _registered(model):
    model.meta_graphs[0].object_graph_def.nodes[0].registered_name = "Custom>evil"


def _texts(model):
    model.meta_graphs[0].signature_def["serving_default"].inputs["lr"].dtype = 7


def _other_names(model):
    inputs = model.meta_graphs[0].signature_def["serving_default"].inputs
    inputs["x"].CopyFrom(inputs.pop("lr"))


CHANGES = {
    _call_saver: "it would run '(SaveV2|MergeV2|Sharded|St)",
    _name_saver: "it would run",
    _stand_in: "stand for one another",
    _old: "TensorFlow 1",
    _two: "several graphs",
    _asset: "files for its operations",
    _table: "it holds a resource",
    _revived: "it holds a optimizer",
    _registered: "its own way to be restored",
    _texts: "float32 images",
    _other_names: "not of an image lr",
}


@pytest.mark.parametrize("how", CHANGES)
def test_what_loading_would_run_or_make(spoil, how):
    with pytest.raises(ValueError, match=CHANGES[how]):
        untrusted.check_saved_model(spoil(how))


def test_an_honest_model_passes(spoil):
    folder = spoil(lambda model: None)
    upscale, scale = load_upscaler(folder)
    assert scale == 2
    assert upscale(np.full((3, 4, 3), 255, np.uint8)).min() == 1


def test_a_model_of_tensorflow_1_runs_nothing(tmp_path):
    marker = tmp_path / "was here"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        lr = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
        evil = tf.io.write_file(str(marker), "x")
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "m"))
        info = tf.compat.v1.saved_model.utils.build_tensor_info
        signature = tf.compat.v1.saved_model.signature_def_utils.build_signature_def(
            {"lr": info(lr)}, {"sr": info(enlarge(lr))}
        )
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, main_op=evil)
        builder.save()
    with pytest.raises(UserError, match=r"m: cannot be loaded .it is of TensorFlow 1"):
        load_upscaler(tmp_path / "m")
    assert not marker.exists()


def _as_text(folder):
    (folder / "saved_model.pbtxt").write_text("")


def _in_parts(folder):
    (folder / "saved_model.cpb").write_bytes(b"")


def _linked_variables(folder):
    (folder / "variables").rename(folder / "elsewhere")
    (folder / "variables").symlink_to(folder / "elsewhere")


def _linked_weights(folder):
    (folder / "variables" / "variables.index").unlink()
    (folder / "variables" / "variables.index").symlink_to("/etc/passwd")


def _pipe(folder):
    (folder / "saved_model.pb").unlink()
    os.mkfifo(folder / "saved_model.pb")


def _without_end(folder):
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pb").symlink_to("/dev/zero")


def _assets(folder):
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "vocabulary.txt").write_text("a")


@pytest.mark.parametrize("how", [_as_text, _in_parts, _linked_variables, _linked_weights, _pipe, _without_end, _assets])
def test_folders_that_are_not_what_they_seem(spoil, how):
    folder = spoil(lambda model: None)
    how(folder)
    with pytest.raises(UserError, match=r"m: cannot be loaded .it"):
        load_upscaler(folder)


def test_what_is_listed_has_no_effects():
    """By TensorFlow's own word; but for calls, choices and variables."""
    known = {name: op_def_registry.get(name) for name in operations.TENSORFLOW}
    assert {name for name, op in known.items() if op.is_stateful} == {
        "StatefulPartitionedCall", "If", "While", "Case", "Assert", "VarHandleOp", "ReadVariableOp",
    }  # fmt: skip
    assert all(onnx.defs.has(name) for name in operations.ONNX)
    assert not operations.ONNX & {"Loop", "Scan", "SequenceMap", "RandomNormal", "Bernoulli", "StringConcat"}


LR, SR = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, None, None]) for name in ("lr", "sr"))


def outside() -> TensorProto:
    """A tensor that lies in a file beside."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    return tensor


def constant(value) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=value)


def resize(*scales: float) -> onnx.ModelProto:
    sizes = helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, *scales])
    node = helper.make_node("Resize", ["lr", "", "s"], ["sr"], mode="nearest")
    return model_of([node], initializer=[sizes])


def model_of(nodes, functions=(), **more) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [LR], [SR], **more)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=10)


def function(name: str, nodes) -> onnx.FunctionProto:
    return helper.make_function("own", name, ["x"], ["y"], nodes, [helper.make_opsetid("", 18)])


IDENTITY = helper.make_node("Identity", ["lr"], ["sr"])


def in_a_branch(tensor) -> onnx.ModelProto:
    graph = helper.make_graph([constant(tensor)], "b", [], [helper.make_tensor_value_info("c", 1, [4])])
    return model_of([helper.make_node("If", ["lr"], ["sr"], then_branch=graph, else_branch=graph)])


def sparse() -> onnx.ModelProto:
    model = model_of([IDENTITY])
    indices = helper.make_tensor("i", TensorProto.INT64, [4], [0, 1, 2, 3])
    model.graph.sparse_initializer.add(values=outside(), indices=indices, dims=[9])
    return model


SAME = helper.make_node("Identity", ["x"], ["y"])


def bomb() -> onnx.ModelProto:
    """Ten functions, each of which calls the one before it ten times."""
    functions = [function("f0", [SAME])]
    for i in range(1, 11):
        chain = [helper.make_node(f"f{i - 1}", [f"v{j}" if j else "x"], [f"v{j + 1}"], domain="own") for j in range(10)]
        functions.append(function(f"f{i}", [*chain, helper.make_node("Identity", ["v10"], ["y"])]))
    return model_of([helper.make_node("f10", ["lr"], ["sr"], domain="own")], functions)


def circle() -> onnx.ModelProto:
    calls = {"a": "b", "b": "a"}
    functions = [function(name, [helper.make_node(to, ["x"], ["y"], domain="own")]) for name, to in calls.items()]
    return model_of([helper.make_node("a", ["lr"], ["sr"], domain="own")], functions)


def loop() -> onnx.ModelProto:
    kinds = [("i", TensorProto.INT64), ("k", TensorProto.BOOL)]
    inside = [helper.make_tensor_value_info(name, kind, []) for name, kind in kinds]
    out = helper.make_tensor_value_info("k2", TensorProto.BOOL, [])
    nodes = [helper.make_node("Identity", ["k"], ["k2"])]
    graph = helper.make_graph(nodes, "b", inside, [out])
    true = helper.make_tensor("t", TensorProto.BOOL, [], [True])
    ever = helper.make_node("Loop", ["", "t"], [], body=graph)
    return model_of([ever, IDENTITY], initializer=[true])


PROGRAMS = {
    "a weight elsewhere": (lambda: model_of([IDENTITY], initializer=[outside()]), "in other files"),
    "a constant elsewhere": (lambda: model_of([constant(outside()), IDENTITY]), "in other files"),
    "in a branch": (lambda: in_a_branch(outside()), "in other files"),
    "sparse": (sparse, "in other files"),
    "in a function": (
        lambda: model_of(
            [IDENTITY], [function("f", [constant(outside()), helper.make_node("Identity", ["x"], ["y"])])]
        ),
        "in other files",
    ),
    "functions without end": (bomb, "come to more than"),
    "functions in a circle": (circle, "or to no end"),
    "an endless loop": (loop, "would run 'Loop'"),
    "another domain": (
        lambda: model_of([helper.make_node("Evil", ["lr"], ["sr"], domain="com.microsoft")]),
        r"would run 'com\.microsoft\.Evil'",
    ),
    "up only": (lambda: resize(2, 1), "1 times and 2 times, not alike"),
    "smaller": (lambda: resize(0.5, 0.5), "enlarges nothing"),
    "unlike each other": (lambda: resize(1.5, 1.5), "enlarge"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_onnx_files(tmp_path, name):
    make, said = PROGRAMS[name]
    path = tmp_path / "m.onnx"
    path.write_bytes(make().SerializeToString())
    start = time.monotonic()
    with pytest.raises(UserError, match=rf"m\.onnx: cannot be loaded .*{said}"):
        load_upscaler(path)
    assert time.monotonic() - start < 30


def test_numbers_that_are_none_fail(tmp_path):
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1], [float("nan")])
    nodes = [helper.make_node("Mul", ["lr", "w"], ["sr"])]
    (tmp_path / "m.onnx").write_bytes(model_of(nodes, initializer=[weights]).SerializeToString())
    with pytest.raises(WorkError, match=r"m\.onnx: it gives numbers that are none"):
        load_upscaler(tmp_path / "m.onnx")
    # Of a bright image alone, which none is that a file is tried on.
    most = helper.make_tensor("m", TensorProto.FLOAT, [1], [0.99])
    nodes = [
        helper.make_node("ReduceMin", ["lr"], ["least"], keepdims=1),
        helper.make_node("Sub", ["m", "least"], ["left"]),
        helper.make_node("Sqrt", ["left"], ["root"]),
        helper.make_node("Mul", ["lr", "root"], ["sr"]),
    ]
    (tmp_path / "m.onnx").write_bytes(model_of(nodes, initializer=[most]).SerializeToString())
    upscale, scale = load_upscaler(tmp_path / "m.onnx")
    assert scale == 1
    with pytest.raises(WorkError, match=r"m\.onnx: it gives numbers that are none"):
        upscale(np.full((9, 9, 3), 255, np.uint8))


def test_weights_that_are_no_numbers_fail(tmp_path, invoke, photographs):
    """An all-black picture, and status 0, was what came of them."""
    network = nets.build(imdn(2, 8, 1))
    network.weights[0].assign(np.full(network.weights[0].shape, np.nan))
    files.save(network, tmp_path / "model.keras")
    picture = next(photographs.iterdir())
    given = (f"--model={tmp_path / 'model.keras'}", f"--workdir={tmp_path / 'w'}")
    for flags in (
        ("--mode=upscale", given[0], f"--input={picture}", f"--output={tmp_path / 'out.png'}"),
        ("--mode=evaluate", *given, f"--data={photographs}"),
    ):
        status, stdout, stderr = invoke(*flags)
        assert (status, stdout) == (1, "")
        assert stderr.startswith(f"srnas_tf: {given[0]}: it gives numbers that are none")
    assert not (tmp_path / "out.png").exists()


def test_gigabytes_at_load(tmp_path, monkeypatch):
    """Constants that a runtime makes as it reads: 16 GB, of a file of a few bytes."""
    monkeypatch.setattr(trial, "MEMORY", 2 << 30)
    size = helper.make_tensor("n", TensorProto.INT64, [1], [1 << 32])
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Add", ["lr", "sum"], ["sr"]),
    ]
    (tmp_path / "m.onnx").write_bytes(model_of(nodes, initializer=[size]).SerializeToString())
    with pytest.raises(UserError, match=r"m\.onnx: cannot be loaded"):
        load_upscaler(tmp_path / "m.onnx")


def test_a_loop_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 8.0)
    folder = write(
        tmp_path / "m",
        lambda lr: enlarge(tf.while_loop(lambda x: tf.reduce_max(x) < 9e9, lambda x: [tf.maximum(x, 0)], [lr])[0]),
    )
    with pytest.raises(UserError, match=r"m: cannot be loaded .it takes more than 8 s"):
        load_upscaler(folder)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "crashes on it .SIGSEGV."),
        ("raise SystemExit(3)", r"ends on it \(3\)"),
        ("print('x' * 10**6); raise SystemExit(1)", r"ends on it \(1\)"),
    ],
)
def test_a_runtime_that_crashes_leaves_the_command(tmp_path, monkeypatch, does, said):
    (tmp_path / "m.tflite").write_bytes(b"x")
    monkeypatch.setattr(child, "command", lambda *_, **__: [sys.executable, "-c", does])
    with pytest.raises(UserError, match=rf"m\.tflite: cannot be loaded \(its runtime {said}"):
        load_upscaler(tmp_path / "m.tflite")
