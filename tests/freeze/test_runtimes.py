"""What all runtimes have in common, and those that do not come along."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image

from srnas_tf import metrics, nets
from srnas_tf.data import images
from srnas_tf.data.sources import load_pairs
from srnas_tf.errors import UserError
from srnas_tf.freeze import upscalers
from srnas_tf.freeze.export import export
from srnas_tf.freeze.runtimes import BY_NAME, FORMS, OTHER_FILES, RUNTIMES, USUAL
from srnas_tf.freeze.settings import FILES, ExportSettings
from srnas_tf.freeze.staged import load_model
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.kit import tiles
from srnas_tf.nets.initial import initialize
from srnas_tf.train.evaluate import of_network

LR = photograph(np.random.default_rng(5), 30, 24)


def test_each_file_has_one_maker_and_each_runtime_a_file():
    assert len({form.file for form in FORMS}) == len(FORMS)
    assert len(BY_NAME) == len(RUNTIMES) + len(OTHER_FILES)
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


def test_a_signal_after_openvino_is_handled(frozen):
    pytest.importorskip("openvino")
    _, _, folder = frozen
    lines = (
        "import signal, sys",
        "from pathlib import Path",
        "from srnas_tf.freeze.runtimes import BY_NAME",
        "first = BY_NAME['openvino'].open(Path(sys.argv[1]))",
        "second = BY_NAME['openvino-bf16'].open(Path(sys.argv[1]))",
        "del first",
        "del second",
        "signal.signal(signal.SIGINT, lambda *_: print('handled'))",
        "signal.raise_signal(signal.SIGINT)",
    )
    command = [sys.executable, "-c", "\n".join(lines), str(folder / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


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


@pytest.fixture(scope="module")
def extras(tmp_path_factory):
    """A network, what was said of its files for ncnn and Core ML, and their folder."""
    for module in ("ncnn", "pnnx", "coremltools"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("extras")
    for i in range(2):
        Image.fromarray(photograph(np.random.default_rng(i), 96, 72)).save(folder / f"{i}.png")
    model = nets.SRNet("x2:w8:thin:bare:r0.25:b3:f1:TC-TC")  # its last convolution is a depthwise one
    initialize(model, 0, "interpolation")
    settings = ExportSettings(export_files="model.ncnn.param,model.mlpackage", card_latency=False)
    report = export(model, load_pairs(images.find(folder), 2), folder / "export", (), settings)
    return model, report, folder / "export"


def test_ncnn_enlarges_as_the_network_does(extras):
    model, report, folder = extras
    assert sorted(report["model.ncnn.param"]["files"]) == ["model.ncnn.bin", "model.ncnn.param"]
    upscale, scale = load_upscaler(folder / "model.ncnn.param")
    assert scale == 2
    for lr in (LR, LR[:17, :21]):
        np.testing.assert_allclose(upscale(lr), of_network(model)(lr), atol=5e-3)


def test_the_snippet_of_ncnn_runs(extras, monkeypatch):
    model, _, folder = extras
    page = (ROOT / "docs" / "which-file.md").read_text("utf-8")
    [snippet] = [each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import ncnn" in each]
    monkeypatch.chdir(folder)
    known = {"lr": LR[None].astype(np.float32) / 255}
    exec(snippet, known)
    np.testing.assert_allclose(known["sr"][0], of_network(model)(LR), atol=5e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("Concat", "Evil", 1), "it would run 'Evil'"),
        (lambda text: text.replace("7767517", "1", 1), r"no \.param file"),
        (lambda text: text.replace(" output", " sr"), "it does not make 'output' of 'data'"),
        (lambda text: text[: len(text) // 2], "cannot be loaded|crashes|does not make"),
    ],
)
def test_ncnn_files_that_are_none(extras, tmp_path, change, said):
    folder = extras[2]
    (tmp_path / "model.ncnn.bin").write_bytes((folder / "model.ncnn.bin").read_bytes())
    (tmp_path / "model.ncnn.param").write_text(change((folder / "model.ncnn.param").read_text()))
    with pytest.raises(UserError, match=said):
        load_upscaler(tmp_path / "model.ncnn.param")


def test_ncnn_without_its_weights(extras, tmp_path):
    (tmp_path / "model.ncnn.param").write_bytes((extras[2] / "model.ncnn.param").read_bytes())
    with pytest.raises(UserError, match=r"model\.ncnn\.bin does not lie beside it"):
        load_upscaler(tmp_path / "model.ncnn.param")


def test_core_ml_packages_are_read_and_run_elsewhere(extras):
    _, report, folder = extras
    entry = report["model.mlpackage"]
    assert entry["ok"] and entry["bytes"] > 1000
    assert {"conv", "depth_to_space"} <= BY_NAME["coreml"].operators(folder / "model.mlpackage")
    if entry["max_abs_diff"] is None:
        assert "not run here" in (folder / "MODEL_CARD.md").read_text("utf-8")
        with pytest.raises(UserError, match="Core ML runs on macOS alone"):
            load_upscaler(folder / "model.mlpackage")


def test_a_file_whose_maker_is_not_installed_is_named_with_its_extra(monkeypatch):
    [form] = BY_NAME["ncnn"].forms
    absent = BY_NAME["ncnn"]._replace(forms=(form._replace(made_by="no_such_module"),))
    monkeypatch.setattr(upscalers, "RUNTIMES", (absent,))
    with pytest.raises(UserError, match=r"--export_files=model\.ncnn\.param: needs .*pip install 'srnas_tf\[ncnn\]'"):
        upscalers.check_makes(absent.forms[0])


def test_usual_files_need_no_extra():
    assert set(FILES) - set(ExportSettings().files) == {"model.ncnn.param", "model.mlpackage"}
