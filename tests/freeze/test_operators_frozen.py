"""Operators beside IMDN's own in every export format: each file is checked against the network in its own runtime."""

import pytest

from srnas_tf import nets
from srnas_tf.arch import parse
from srnas_tf.data import images
from srnas_tf.data.sources import load_pairs
from srnas_tf.freeze import litert_file
from srnas_tf.freeze.export import export
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.transfer import reparameterized

# All of them in one network: ESA, LKA, the gate; GELU and SiLU; a plain convolution among separable ones that are
# reparameterized; a residual inside; blocks in a row; an inner width.
TEXT = "x2:w16:expanded_row:inside:r0.25:z3:f1:a.esa:act.gelu:P-TC+bare+a.lka+act.silu-C+full+a.gate+i0.5"


@pytest.fixture(scope="module")
def exported(module_photographs, tmp_path_factory):
    model = nets.SRNet(parse(TEXT))
    initialize(model, 0)
    for block in model.blocks:  # what they add should matter
        block.fusion.kernel.assign(block.fusion.kernel * 3)
    pairs = load_pairs(images.find(module_photographs)[:2], 2)
    folder = tmp_path_factory.mktemp("operators") / "export"
    return export(reparameterized(model), pairs, folder), folder


def test_every_file_agrees(exported):
    report, _ = exported
    assert {"saved_model/1", "model.tflite", "model_fp16.tflite", "model.onnx", "model_fp16.onnx"} < set(report)
    assert {"stages/stages.tflite", "stages/stage00.onnx"} < set(report)
    assert all(entry["ok"] for entry in report.values())
    assert max(report[name]["max_abs_diff"] for name in ("model.tflite", "model.onnx")) < 1e-5


def test_built_in_operators_alone(exported):
    _, folder = exported
    assert not [name for name in litert_file.operators(folder / "model.tflite") if name.startswith("custom")]


def test_the_card_says_how_far_it_looks(exported):
    _, folder = exported
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert "Its attention looks 19 pixels far in each block" in card
