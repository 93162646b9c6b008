"""Files of lower precision as what a space's networks are timed in: `--runtime=litert-int8` and its like."""

import json

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from srnas_tf import arch, models
from srnas_tf.arch import Space
from srnas_tf.freeze import latency_kit
from srnas_tf.freeze.latency import measure_networks
from srnas_tf.freeze.runtimes import BY_NAME, FORMS, OTHER_FILES, RUNTIMES
from srnas_tf.freeze.settings import LatencySettings

SPACE = Space(stages=1, depth=2, width=8, scale=2, stem="light")
FLAGS = ("--stages=1", "--depth=2", "--width=8", "--scale=2", "--stem=light")
SMALL = ("--mode=benchmark", "--input_size=16x16", "--rounds=1", "--threads=1")


def precisions(path):
    """The types of the numbers in a file."""
    if path.suffix == ".onnx":
        model = onnx.load(path)
        types = {onnx.TensorProto.DataType.Name(each.data_type).lower() for each in model.graph.initializer}
        return types | {"int8" for node in model.graph.node if node.op_type == "QuantizeLinear"}
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    return {np.dtype(each["dtype"]).name for each in interpreter.get_tensor_details()}


def test_each_file_of_lower_precision_has_a_name():
    assert [each.name for each in OTHER_FILES] == ["litert-fp16", "litert-int8", "onnxruntime-fp16", "onnxruntime-int8"]
    assert len(BY_NAME) == len(RUNTIMES) + len(OTHER_FILES)
    lower = {form.file for form in FORMS if form.precision}
    assert {each.file for each in OTHER_FILES} == lower
    for each in OTHER_FILES:
        like = BY_NAME[each.name.partition("-")[0]]
        assert (each.open, each.module, each.suffix) == (like.open, like.module, like.suffix)


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        ("litert-int8", "int8"),
        ("litert-fp16", "float16"),
        ("onnxruntime-int8", "int8"),
        ("onnxruntime-fp16", "float16"),
    ],
)
def test_the_files_of_a_kit_are_of_that_precision(tmp_path, runtime, precision):
    network = SPACE.network((0, 1))
    latency_kit.write_table_kit(tmp_path, LatencySettings(runtime, 1, "16x16"), SPACE, [network])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["runtime"] == runtime
    for file in (*manifest["blocks"].values(), manifest["networks"][str(network)]["file"]):
        assert precision in precisions(tmp_path / file)
    # Outside blocks nothing is quantized.
    assert "int8" not in precisions(tmp_path / manifest["frame"])


def test_a_space_is_timed_in_int8(invoke, tmp_path):
    status, stdout, stderr = invoke(
        *SMALL, *FLAGS, "--runtime=litert-int8", "--networks=1", f"--workdir={tmp_path / 'w'}"
    )
    assert status == 0, stderr
    assert "litert-int8" in stdout
    table = json.loads((tmp_path / "w" / "latency-litert-int8-t1-16x16.json").read_text())
    assert (table["runtime"], table["frame"] > 0) == ("litert-int8", True)


def test_networks_without_inner_convolutions_are_timed_as_they_are():
    times = measure_networks([arch.parse("x2:srcnn")], LatencySettings("litert-int8", 1, "16x16"), 1)
    assert min(times.ms.values()) > 0


def test_runtimes_whose_files_are_not_made_are_refused(invoke, tmp_path):
    separable = ("--space=tapped", "--recipes=T/TC", "--conv=expanded/expanded_blueprint", "--scale=2")
    for more in ((f"--workdir={tmp_path / 'w'}",), (f"--blocks_to={tmp_path / 'kit'}",)):
        status, _, stderr = invoke(*SMALL, *separable, "--runtime=onnxruntime-int8", *more)
        assert status == 2
        [line] = stderr.splitlines()
        assert "--runtime=onnxruntime-int8" in line
        assert "depthwise" in line
    assert not (tmp_path / "w").exists()
    assert not (tmp_path / "kit").exists()


def test_a_model_is_not_timed_in_a_file_that_it_is_not(invoke, tmp_path):
    model = f"--model={models.named('x2')}"
    status, _, stderr = invoke(*SMALL, model, "--runtime=litert-int8", f"--workdir={tmp_path}")
    assert (status, stderr.count("\n")) == (2, 1)
    assert "--runtime=litert-int8: is for the networks of a space" in stderr
    assert "--model=model_int8.tflite" in stderr
