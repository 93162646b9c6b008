"""Frozen files: each in its own runtime, at any size, and what happens to one that disagrees."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from conftest import NETWORK, photograph
from PIL import Image

from srnas_tf import arch, metrics, nets
from srnas_tf.data import images
from srnas_tf.data.sources import load_pairs
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze import export as freezing
from srnas_tf.freeze.runtimes.runtime import Form
from srnas_tf.freeze.staged import load_model
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.kit import tiles
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize
from srnas_tf.train.evaluate import of_network


def test_every_target_agrees(frozen):
    _, report, folder = frozen
    assert json.loads((folder / "export.json").read_text()) == report
    files = ["saved_model/1", "model.tflite", "model_fp16.tflite", "model.onnx", "model_fp16.onnx"]
    smaller = ["model_int8.tflite", "model_int8.onnx"]
    assert {*report} == {*files, *smaller, "stages/stages.tflite", "stages/stage00.onnx"}
    assert all(entry["ok"] for entry in report.values())
    for name in files:
        entry = report[name]
        assert entry["max_abs_diff"] < (5e-3 if "fp16" in name else 1e-5)
        assert abs(entry["psnr_diff"]) < (0.05 if "fp16" in name else 1e-3)
        assert (folder / name).exists()
        assert entry["bytes"] > 4000
    assert all(abs(report[name]["psnr_diff"]) < 0.1 for name in smaller)
    assert report["model_fp16.tflite"]["bytes"] < 0.8 * report["model.tflite"]["bytes"]


@pytest.mark.parametrize("name", ["saved_model/1", "model.tflite", "model_fp16.tflite", "model.onnx"])
def test_files_take_any_size(frozen, name):
    model, _, folder = frozen
    (upscale, scale), expected = load_upscaler(folder / name), of_network(model)
    assert scale == 2
    for height, width in ((16, 16), (31, 17), (20, 45), (16, 16)):
        lr = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
        np.testing.assert_allclose(upscale(lr), expected(lr), atol=5e-3 if "fp16" in name else 1e-5)


@pytest.mark.parametrize("name", ["saved_model/1", "model.tflite", "model.onnx", "model_fp16.tflite"])
def test_files_run_in_stages_where_they_have_some(frozen, name):
    model, _, folder = frozen
    lr = photograph(np.random.default_rng(5), 40, 31)
    loaded = load_model(folder / name)
    assert (loaded.stages() is None) == ("fp16" in name)
    if loaded.stages():
        parts = tiles.enlarge(lr, loaded, 300)
        assert np.abs(parts.astype(int) - metrics.to_uint8(of_network(model)(lr))).max() <= 1


def test_onnx_has_clean_names(frozen):
    _, _, folder = frozen
    graph = onnx.load(folder / "model.onnx").graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["lr", "sr"]
    dims = [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 3, "height", "width"]
    assert not [node for node in graph.node if node.domain not in ("", "ai.onnx")]


def test_the_card_tells_what_there_is(frozen):
    _, report, folder = frozen
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    [digest] = report["model.onnx"]["files"].values()
    for fact in (NETWORK, str(arch.parse(NETWORK).params), digest, "stages/", "Its attention looks"):
        assert fact in card
    assert all(f"| `{name}` | {entry['bytes']} |" in card for name, entry in report.items())


def test_every_file_is_vouched_for(frozen):
    _, report, folder = frozen
    vouched = {name: digest for entry in report.values() for name, digest in entry["files"].items()}
    made = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert made.keys() - vouched.keys() == {"export.json", "MODEL_CARD.md"}
    assert vouched == {name: hashlib.sha256(made[name]).hexdigest() for name in vouched}
    for entry in report.values():
        assert entry["bytes"] == sum(len(made[name]) for name in entry["files"])


def test_int8_is_inside_the_blocks_alone(frozen):
    from ai_edge_litert.interpreter import Interpreter

    _, _, folder = frozen
    graph = onnx.load(folder / "model_int8.onnx").graph
    kernels = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.INT8 and len(i.dims) == 4}
    assert len(kernels) == 4 + 4  # SCSCS: first, two of the trunk, last; RSC: first, branch, trunk, last
    interpreter = Interpreter(str(folder / "model_int8.tflite"), experimental_default_delegate_latest_features=False)
    tensors = interpreter.get_tensor_details()
    quantized = [t for t in tensors if t["dtype"] == np.int8 and len(t["shape"]) == 4 and t["quantization"][0] == 0]
    assert len(quantized) >= 8
    assert interpreter.get_input_details()[0]["dtype"] == np.float32


def test_onnx_takes_batches(frozen):
    import onnxruntime

    model, _, folder = frozen
    lr = np.random.default_rng(0).random((3, 12, 10, 3), np.float32)
    loaded = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    [sr] = loaded.run(None, {"lr": lr.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(sr.transpose(0, 2, 3, 1), model(lr), atol=1e-5)


SERVE = """
import sys
sys.modules["keras"] = sys.modules["srnas_tf"] = None  # importing them raises
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
assert serve.structured_input_signature[1]["lr"].shape.as_list() == [None, None, None, 3]
assert serve(lr=tf.zeros((2, 5, 7, 3)))["sr"].shape == (2, 10, 14, 3)
for name in ("keras", "srnas_tf"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name)
"""


def test_saved_model_serves_without_this_package_and_keras(frozen, tmp_path):
    _, _, folder = frozen
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    line = [sys.executable, "-c", SERVE, str(folder / "saved_model" / "1")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


SERVE_IMAGE = """
import sys
sys.modules["keras"] = sys.modules["srnas_tf"] = None  # TensorFlow imports Keras by itself where there is one
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_image"]
files = tf.constant([open(path, "rb").read() for path in sys.argv[2:4]])
for path, made in zip(sys.argv[4:], serve(image_bytes=files)["sr_bytes"].numpy()):
    open(path, "wb").write(made)
"""


def test_images_as_bytes_are_served_without_this_package_and_keras(frozen, tmp_path):
    model, _, folder = frozen
    lr = [photograph(np.random.default_rng(i), 20 + i, 30) for i in range(2)]
    paths = [tmp_path / name for name in ("a.png", "b.jpg", "a2.png", "b2.png")]
    for path, pixels in zip(paths, lr, strict=False):
        Image.fromarray(pixels).save(path)
    line = [sys.executable, "-c", SERVE_IMAGE, str(folder / "saved_model" / "1"), *map(str, paths)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path, env=_plain_environment())
    assert done.returncode == 0, done.stderr
    for source, made in zip(paths[:2], paths[2:], strict=True):
        difference = images.load(made).astype(int) - metrics.to_uint8(of_network(model)(images.load(source)))
        assert np.abs(difference).max() <= 1


def test_warmup_requests_are_in_their_own_format(frozen):
    import tensorflow as tf

    log = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    _, _, folder = frozen
    records = tf.data.TFRecordDataset(str(folder / "saved_model/1/assets.extra/tf_serving_warmup_requests"))
    requests = [log.PredictionLog.FromString(record.numpy()).predict_log.request for record in records]
    assert [request.model_spec.signature_name for request in requests] == ["serving_default", "serving_image"]
    assert tf.make_ndarray(requests[0].inputs["lr"]).shape == (1, 64, 64, 3)
    [file] = tf.make_ndarray(requests[1].inputs["image_bytes"])
    assert file.startswith(b"\x89PNG")


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_a_file_that_disagrees_fails_the_export_and_leaves_the_earlier_one(tmp_path, photographs, monkeypatch):
    model = nets.SRNet(NETWORK)
    initialize(model, 0)
    pairs = load_pairs(images.find(photographs), 2)
    saved, half = (form for form in freezing.FORMS if form.name in ("saved_model", "model_fp16.tflite"))
    monkeypatch.setattr(freezing, "FORMS", (saved, half))
    freezing.export(model, pairs, tmp_path / "export")
    earlier = (tmp_path / "export" / "export.json").read_bytes()
    monkeypatch.setattr(freezing, "FORMS", (saved, half._replace(tolerance=1e-9)))
    with pytest.raises(WorkError, match=r"model_fp16\.tflite: differs"):
        freezing.export(model, pairs, tmp_path / "export")
    rejected = json.loads((tmp_path / "export-rejected" / "export.json").read_text())
    assert rejected["model_fp16.tflite"]["ok"] is False
    assert (tmp_path / "export" / "export.json").read_bytes() == earlier
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "export-rejected", "photographs"]


def test_what_a_target_accepts():
    half = Form("a", None, 2e-2, 0.1)
    assert half.accepts(1e-2, -0.05)
    assert not half.accepts(1e-2, 0.2)
    assert not half.accepts(3e-2, 0.0)
    assert half.accepts(2e-4, 0.2)  # less than a quarter of a level
    assert not half._replace(tolerance=1e-4).accepts(2e-4, 0.0)


def test_a_folder_that_is_no_export_is_not_replaced(tmp_path, frozen):
    (tmp_path / "export").mkdir()
    freezing.check_replaceable(tmp_path / "export")
    (tmp_path / "export" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="is no export"):
        freezing.check_replaceable(tmp_path / "export")
    freezing.check_replaceable(frozen[2])


def _broken(job):
    raise ValueError("no such luck\nof all operators, Frobnicate is not known")


def _fatal(job):
    os.write(2, b"Frobnicate: a line\nFrobnicate: the last line\n")
    os._exit(3)


@pytest.mark.parametrize(("convert", "said"), [("_broken", "Frobnicate is not known"), ("_fatal", "the last line")])
def test_a_conversion_that_fails_says_why_and_leaves_the_others(tmp_path, photographs, monkeypatch, convert, said):
    saved, litert, onnx_file = (
        next(form for form in freezing.FORMS if form.name == name)
        for name in ("saved_model", "model.tflite", "model.onnx")
    )
    monkeypatch.setattr(freezing, "FORMS", (saved, litert, onnx_file))
    monkeypatch.setattr(freezing.child, "command", lambda *given: [sys.executable, "-c", BROKEN, convert, *given[1:]])
    with pytest.raises(WorkError, match=rf"export/model\.tflite: cannot be made \(.*{said}\); the other files"):
        freezing.export(nets.SRNet(NETWORK), load_pairs(images.find(photographs), 2), tmp_path / "export")
    report = json.loads((tmp_path / "export" / "export.json").read_text())
    assert list(report) == ["saved_model/1", "model.onnx"]
    assert not (tmp_path / "export" / "model.tflite").exists()


BROKEN = """
import sys
sys.path[:0] = ["tests", "tests/freeze"]
import test_freeze
from srnas_tf.freeze import convert
how, *arguments = sys.argv[1:]
convert.BY_FILE["model.tflite"] = convert.BY_FILE["model.tflite"]._replace(convert=getattr(test_freeze, how))
sys.exit(convert.main(arguments))
"""


def test_unknown_model_files(tmp_path):
    for name, content in (("a.pb", b"x"), ("a.onnx", b"x"), ("a.tflite", b"x"), ("a.keras", b"x")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"a\{name[1:]}"):
            load_upscaler(tmp_path / name)
    with pytest.raises(UserError, match="no such model"):
        load_upscaler(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_upscaler(tmp_path)


def test_keras_files_are_upscalers_too(frozen, tmp_path):
    model, _, _ = frozen
    files.save(model, tmp_path / "model.keras")
    lr = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    np.testing.assert_array_equal(load_upscaler(tmp_path / "model.keras")[0](lr), of_network(model)(lr))


@pytest.mark.parametrize("text", ["x3:fsrcnn", "x3:lapsrn", "x2:carn", "x3:w16:strided:SCSCS"])
def test_other_networks_freeze_at_any_size(tmp_path, text):
    """Deconvolution, bicubic inside, weights that only other scales use, strides."""
    network = arch.parse(text)
    model = nets.build(network)
    initialize(model, 0)
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i, (height, width) in enumerate([(45, 63), (66, 42)]):
        Image.fromarray(photograph(np.random.default_rng(i), height, width)).save(folder / f"{i}.png")
    report = freezing.export(model, load_pairs(images.find(folder), network.scale), tmp_path / "export")
    assert all(entry["ok"] for entry in report.values())
    used = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert report["model.onnx"]["bytes"] < 4 * used + 200_000
    assert report["saved_model/1"]["bytes"] < 4 * used + 700_000
    upscale, _ = load_upscaler(tmp_path / "export" / "model.onnx")
    assert upscale(np.full((1, 2, 3), 99, np.uint8)).shape == (network.scale, 2 * network.scale, 3)
