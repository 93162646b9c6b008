"""What all runtimes have in common, and those that do not come along."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

from srnas_tf import metrics
from srnas_tf.errors import UserError
from srnas_tf.freeze import upscalers
from srnas_tf.freeze.runtimes import BY_NAME, FORMS, RUNTIMES, USUAL
from srnas_tf.freeze.settings import FILES
from srnas_tf.freeze.staged import load_model
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.kit import tiles
from srnas_tf.train.evaluate import of_network

LR = photograph(np.random.default_rng(5), 30, 24)


def test_each_file_has_one_maker_and_each_runtime_a_file():
    assert len({form.file for form in FORMS}) == len(FORMS)
    assert len(BY_NAME) == len(RUNTIMES)
    assert {runtime.file for runtime in RUNTIMES} <= {form.file for form in FORMS}
    assert {form.stands_for for form in FORMS if form.stands_for} < set(FILES)
    assert [form.file for form in FORMS if not form.convert] == ["saved_model/1"]
    assert (USUAL[".onnx"].name, USUAL[""].name) == ("onnxruntime", "tf")


@pytest.mark.parametrize(("name", "tolerance"), [("openvino", 1e-5), ("openvino-bf16", 0.05)])
def test_openvino_runs_onnx_files_whole_and_in_stages(frozen, name, tolerance):
    pytest.importorskip("openvino")
    model, _, folder = frozen
    expected = of_network(model)(LR)
    upscale, scale = load_upscaler(folder / "model.onnx", runtime=name)
    assert scale == 2
    np.testing.assert_allclose(upscale(LR), expected, atol=tolerance)
    np.testing.assert_allclose(upscale(LR[:20]), of_network(model)(LR[:20]), atol=tolerance)  # of any size
    parts = tiles.enlarge(LR, load_model(folder / "model.onnx", name), 300)
    assert np.abs(parts.astype(int) - metrics.to_uint8(expected)).max() <= 1 + 255 * tolerance


def test_openvino_runs_int8_files(frozen):
    pytest.importorskip("openvino")
    model, _, folder = frozen
    upscale, _ = load_upscaler(folder / "model_int8.onnx", own=True, runtime="openvino")
    np.testing.assert_allclose(upscale(LR), of_network(model)(LR), atol=0.15)


def test_a_runtime_can_be_asked_for(frozen, invoke, tmp_path):
    pytest.importorskip("openvino")
    _, _, folder = frozen
    Image.fromarray(LR).save(tmp_path / "a.png")
    flags = (f"--model={folder / 'model.onnx'}", "--runtime=openvino")
    here = (f"--input={tmp_path / 'a.png'}", f"--output={tmp_path / 'b.png'}")
    status, _, stderr = invoke("--mode=upscale", *flags, *here)
    assert status == 0, stderr
    expected = metrics.to_uint8(load_upscaler(folder / "model.onnx")[0](LR)).astype(int)
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")) - expected).max() <= 1
    status, _, stderr = invoke(
        "--mode=benchmark", *flags, f"--workdir={tmp_path}", "--input_size=16x16", "--rounds=1", "--threads=1"
    )
    assert status == 0, stderr
    [entry] = json.loads((tmp_path / "benchmark.json").read_text())["models"].values()
    assert (entry["runtime"], entry["latency_ms"] > 0) == ("openvino", True)
    status, _, stderr = invoke("--mode=upscale", flags[0], "--runtime=litert", *here)
    assert status == 2
    [line] = stderr.splitlines()
    assert re.search(r"--runtime=litert: does not run .*model\.onnx, which is for onnxruntime, openvino", line)


def test_a_runtime_that_is_not_installed_is_named_with_its_extra(frozen, monkeypatch, invoke, tmp_path):
    absent = BY_NAME["openvino"]._replace(module="no_such_module")
    monkeypatch.setitem(BY_NAME, "openvino", absent)
    with pytest.raises(UserError, match=r"--runtime=openvino: is not installed; pip install 'srnas_tf\[openvino\]'"):
        load_upscaler(frozen[2] / "model.onnx", runtime="openvino")
    status, _, stderr = invoke("--mode=benchmark", f"--workdir={tmp_path / 'w'}", "--runtime=openvino", "--depth=1")
    assert status == 2
    assert "pip install 'srnas_tf[openvino]'" in stderr
    assert not (tmp_path / "w").exists()


def test_extras_are_those_of_the_package():
    setup = (Path(upscalers.__file__).parents[2] / "setup.py").read_text("utf-8")
    assert all(f'"{runtime.extra}":' in setup for runtime in RUNTIMES if runtime.extra)
