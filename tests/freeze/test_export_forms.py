"""Files of one size with levels in and out, some files alone, what is read off files, and the card's tables."""

import hashlib
import json
import re

import numpy as np
import onnx
import pytest
from conftest import NETWORK, photograph
from PIL import Image
from test_kits import upscale

from srnas_tf import arch, metrics, nets
from srnas_tf.arch.latency import parse_size
from srnas_tf.data import images
from srnas_tf.data.sources import load_pairs
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze import contents, crops, int8, litert_file
from srnas_tf.freeze import export as freezing
from srnas_tf.freeze.settings import FILES, ExportSettings
from srnas_tf.freeze.staged import load_model
from srnas_tf.freeze.upscalers import load, load_upscaler
from srnas_tf.kit import tiles
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize
from srnas_tf.train.evaluate import of_network

SIZE = "32x40"
KITS = {"onnxruntime": "model.onnx", "litert": "model_int8.tflite"}


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """An export of one size, with uint8 and timed: the network, what was said, its folder."""
    folder = tmp_path_factory.mktemp("fixed")
    (folder / "photographs").mkdir()
    for i, (height, width) in enumerate([(90, 100), (66, 40)]):
        pixels = photograph(np.random.default_rng(i), height, width)
        Image.fromarray(pixels).save(folder / "photographs" / f"{i}.png")
    model = nets.SRNet(NETWORK)
    initialize(model, 0, "interpolation")
    files.save(model, folder / "model.keras")
    settings = ExportSettings(static_size=SIZE, uint8_io=True)
    evaluated = {"Set5": {"psnr": 31.5, "ssim": 0.9, "images": 5}, "Set14": {"psnr": None, "ssim": 1.0, "images": 14}}
    pairs = load_pairs(images.find(folder / "photographs"), 2)
    report = freezing.export(model, pairs, folder / "export", (), settings, evaluated)
    return model, report, folder / "export"


@pytest.mark.parametrize(
    "name", ["saved_model/1", "model.tflite", "model.onnx", "model_int8.tflite", "model_int8.onnx"]
)
def test_files_take_one_size(fixed, name):
    model, report, folder = fixed
    assert report[name]["ok"]
    loaded, scale = load(folder / name)
    assert (loaded.size, scale) == (parse_size(SIZE), 2)
    lr = photograph(np.random.default_rng(7), 32, 40)
    tolerance = 0.1 if "int8" in name else 1e-5
    expected = np.clip(of_network(model)(lr), 0, 1)
    np.testing.assert_allclose(np.clip(loaded.upscale(lr), 0, 1), expected, atol=tolerance)


def test_shapes_are_static_and_stages_are_not_made(fixed):
    from ai_edge_litert.interpreter import Interpreter

    _, report, folder = fixed
    graph = onnx.load(folder / "model.onnx").graph
    sides = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in (*graph.input, *graph.output)]
    assert sides == [[1, 3, 32, 40], [1, 3, 64, 80]]
    interpreter = Interpreter(str(folder / "model.tflite"))
    assert interpreter.get_input_details()[0]["shape_signature"].tolist() == [1, 32, 40, 3]
    assert interpreter.get_output_details()[0]["shape_signature"].tolist() == [1, 64, 80, 3]
    assert not (folder / "stages").exists()
    assert not [name for name in report if "stages" in name]


def test_levels_go_in_and_come_out(fixed):
    from ai_edge_litert.interpreter import Interpreter

    _, _, folder = fixed
    interpreter = Interpreter(str(folder / "model_int8.tflite"))
    for detail in (interpreter.get_input_details()[0], interpreter.get_output_details()[0]):
        assert detail["dtype"] == np.uint8
        scale, zero = detail["quantization"]
        assert (scale, zero) == (pytest.approx(1 / 255), 0)
    [runner] = interpreter.get_signature_list()
    lr = photograph(np.random.default_rng(7), 32, 40)
    sr = interpreter.get_signature_runner(runner)(lr=lr[None])["sr"]
    assert (sr.dtype, sr.shape) == (np.uint8, (1, 64, 80, 3))
    expected = metrics.to_uint8(load_upscaler(folder / "model_int8.tflite")[0](lr))
    np.testing.assert_array_equal(sr[0], expected)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (32, 40), (33, 40), (75, 101)])
def test_windows_cover_any_image(height, width):
    taken = []

    def double(lr):
        taken.append(lr.shape)
        return lr.repeat(2, 0).repeat(2, 1)

    image = photograph(np.random.default_rng(1), height, width)
    result = tiles.enlarge(image, tiles.Model(double, 2, size=(32, 40)))
    np.testing.assert_array_equal(result[:], image.repeat(2, 0).repeat(2, 1))
    assert set(taken) == {(32, 40, 3)}
    assert len(taken) == {20: 1, 32: 1, 33: 2, 75: 4 * 5}[height]


def test_memory_that_runs_out_for_the_only_size_is_told():
    def starving(lr):
        raise MemoryError

    with pytest.raises(MemoryError, match="1280 pixels"):
        tiles.enlarge(np.zeros((99, 99, 3), np.uint8), tiles.Model(starving, 2, size=(32, 40)))


def test_any_image_is_evaluated_and_enlarged_in_windows(fixed, tmp_path, invoke):
    _, _, folder = fixed
    lr = photograph(np.random.default_rng(3), 50, 61)
    enlarged = metrics.to_uint8(load_upscaler(folder / "model.onnx")[0](lr))
    np.testing.assert_array_equal(enlarged, tiles.enlarge(lr, load_model(folder / "model.onnx"))[:])
    Image.fromarray(lr).save(tmp_path / "a.png")
    flags = ("--mode=upscale", f"--model={folder / 'model.onnx'}", f"--input={tmp_path / 'a.png'}")
    assert invoke(*flags, f"--output={tmp_path / 'b.png'}")[0] == 0
    np.testing.assert_array_equal(images.load(tmp_path / "b.png"), enlarged)
    status, _, stderr = invoke(*flags, f"--output={tmp_path / 'b.png'}", "--tile=64")
    assert status == 2
    assert "takes parts of 32x40 alone" in stderr


def test_a_file_of_one_size_is_timed_at_that(fixed, tmp_path, invoke):
    _, _, folder = fixed
    flags = (
        "--mode=benchmark",
        f"--model={folder / 'model.onnx'}",
        f"--workdir={tmp_path}",
        "--rounds=1",
        "--threads=1",
    )
    status, stdout, _ = invoke(*flags)
    assert status == 0
    assert SIZE in stdout
    status, _, stderr = invoke(*flags, "--input_size=64x64")
    assert status == 2
    assert "takes 32x40 alone" in stderr


@pytest.mark.parametrize("kit", KITS)
def test_kits_give_files_what_they_take(fixed, tmp_path, kit):
    _, _, folder = fixed
    lr = photograph(np.random.default_rng(3), 50, 61)
    Image.fromarray(lr).save(tmp_path / "a.png")
    done = upscale(kit, folder / KITS[kit], tmp_path / "a.png", tmp_path / "b.png")
    assert done.returncode == 0, done.stderr
    expected = metrics.to_uint8(load_upscaler(folder / KITS[kit])[0](lr)).astype(int)
    assert np.abs(images.load(tmp_path / "b.png") - expected).max() <= 1
    done = upscale(kit, folder / KITS[kit], tmp_path / "a.png", tmp_path / "b.png", "--tile=64")
    assert done.returncode == 2
    assert "takes parts of 32x40 alone" in done.stderr


def test_the_card_holds_sets_and_latencies(fixed):
    _, report, folder = fixed
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    for fact in (
        "32x40",
        "| Set5 | 31.5000 | 0.9000 | 5 |",
        "| Set14 | - | 1.0000 | 14 |",
        "1 thread |",
        "zero point 0",
    ):
        assert fact in card
    for name, entry in report.items():
        assert all(ms > 0 for ms in entry["latency_ms"].values())
        assert "1" in entry["latency_ms"]
        assert f"| `{name}` | {entry['latency_ms']['1']:.3g} |" in card


def test_int8_that_loses_too_much_is_left_out_and_told(tmp_path, photographs, monkeypatch, caplog):
    model = nets.SRNet(NETWORK)
    initialize(model, 0)
    whole, int8_file = freezing.FORMS[0], next(form for form in freezing.FORMS if form.file == "model_int8.onnx")
    monkeypatch.setattr(freezing, "FORMS", (whole, int8_file._replace(psnr_tolerance=0.0)))
    report = freezing.export(model, load_pairs(images.find(photographs), 2), tmp_path / "export")
    assert list(report) == ["saved_model/1"]
    assert not (tmp_path / "export" / "model_int8.onnx").exists()
    [record] = caplog.records
    assert record.message.startswith("no model_int8.onnx: it is ")


def test_operators_are_read_off_the_files(frozen, fixed, tmp_path):
    from tensorflow.lite.python import schema_py_generated
    from tensorflow.lite.tools import flatbuffer_utils

    _, _, folder = frozen
    assert {"CONV_2D", "DEPTH_TO_SPACE"} <= litert_file.operators(folder / "model.tflite")
    assert {"QUANTIZE", "DEQUANTIZE"} <= litert_file.operators(fixed[2] / "model_int8.tflite")

    model = flatbuffer_utils.read_model(str(folder / "model.tflite"))
    model.operatorCodes[0].builtinCode = schema_py_generated.BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = b"FlexLgamma"
    flatbuffer_utils.write_model(model, str(tmp_path / "flex.tflite"))
    with pytest.raises(WorkError, match=r"flex\.tflite: needs more than .*FlexLgamma"):
        contents.check(tmp_path / "flex.tflite")


def test_onnx_of_another_opset_or_shape_is_refused(frozen, tmp_path):
    _, _, folder = frozen
    model = onnx.load(folder / "model.onnx")
    model.opset_import[0].version = 19
    onnx.save(model, tmp_path / "newer.onnx")
    with pytest.raises(WorkError, match=r"newer\.onnx: is of opsets"):
        contents.check(tmp_path / "newer.onnx")
    model = onnx.load(folder / "model.onnx")
    model.graph.node[0].input[0] = "nowhere"
    onnx.save(model, tmp_path / "broken.onnx")
    with pytest.raises(WorkError, match=r"broken\.onnx: is no valid ONNX"):
        contents.check(tmp_path / "broken.onnx")


def test_what_is_int8_in_networks_of_the_zoo():
    assert int8.inner(arch.parse("x2:bicubic")) == ""
    assert int8.inner(arch.parse("x2:fsrcnn")).count("|") == 5  # all but the first conv and the deconvolution: 6
    assert int8.inner(arch.parse("x3:w16:strided:SCSCS")) == int8.BLOCKS
    texts = ("x2:bicubic", "x2:fsrcnn", "x3:w16:strided:SCSCS", "x3:w16:strided:SCSCS-SCSCS")
    assert [len(int8.choices(arch.parse(text))) for text in texts] == [0, 1, 2, 4]


def test_each_choice_of_int8_leaves_out_more():
    names = [
        f"network/block{i}/{conv}/conv" for i in (1, 2, 10, 11) for conv in ("first", "branch1", "trunk2_1", "last")
    ]
    chosen = [[name for name in names if re.search(each, name)] for each in int8.choices(arch.imdn(depth=11))]
    assert chosen[0] == names
    assert chosen[1] == [name for name in names if name != "network/block1/first/conv"]
    assert chosen[2] == [name for name in names if "first" not in name]
    assert chosen[3] == [name for name in chosen[2] if "block1/" not in name]


def test_sizes_that_are_none():
    for text in ("64", "0x64", "64x"):
        with pytest.raises(UserError, match=f"--static_size={text}"):
            ExportSettings(static_size=text)


@pytest.mark.parametrize("given", ["model.pb", "model.onnx,model", "stages", ","])
def test_files_that_no_export_has(given):
    with pytest.raises(UserError, match=r"--export_files=.+ choose of saved_model, model\.tflite"):
        ExportSettings(export_files=given)


def test_all_files_can_be_chosen():
    assert set(ExportSettings().files) == {name for name in FILES if "ncnn" not in name and "mlpackage" not in name}
    assert {form.file.split("/")[0] for form in freezing.FORMS} == {*FILES, "stages"}
    with_stages = {"model.tflite": "stages/stages.tflite", "model.onnx": "stages/stage00.onnx"}
    for name in FILES:
        settings = ExportSettings(export_files=f" {name},")
        wanted = {form.file for form in freezing.FORMS if freezing._wanted(settings, form)}
        first = "saved_model/1" if name == "saved_model" else name
        assert wanted == {first, with_stages.get(name, first)}


def test_chosen_files_alone_are_written_and_say_what_they_were_made_from(tmp_path, invoke):
    for i in range(2):
        Image.fromarray(photograph(np.random.default_rng(i), 48, 40)).save(tmp_path / f"{i}.png")
    model = nets.SRNet("x2:w8:imdn:r0.25:k3:f1:SCS", provenance={"use": "For cats alone.", "seed": 0})
    initialize(model, 0, "interpolation")
    files.save(model, tmp_path / "mine.keras")
    data = [f"--data={tmp_path}", f"--test_data={tmp_path}", "--nocard_latency", "--export_files=model.onnx"]
    status, _, stderr = invoke("--mode=export", f"--model={tmp_path / 'mine.keras'}", *data)
    assert status == 0, stderr
    folder = tmp_path / "export"
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    stages = {"stages/stages.json", "stages/stage00.onnx", "stages/stage01.onnx"}
    assert made == {"model.onnx", "export.json", "MODEL_CARD.md", *stages}
    report = json.loads((folder / "export.json").read_text("utf-8"))
    assert list(report) == ["model.onnx", "stages/stage00.onnx"]
    digest = hashlib.sha256((tmp_path / "mine.keras").read_bytes()).hexdigest()
    assert {entry["model_sha256"] for entry in report.values()} == {digest}
    before, _, limits = (folder / "MODEL_CARD.md").read_text("utf-8").partition("## Use and limits")
    assert "For cats alone." in limits
    assert "For cats alone." not in before
    assert "- seed: 0" in before


def test_middles():
    image = np.arange(35 * 3).reshape(5, 7, 3)
    np.testing.assert_array_equal(crops.middle(image, (3, 3)), image[1:4, 2:5])
    wide = crops.middle(image, (7, 3))
    np.testing.assert_array_equal(wide[5:], image[:2:-1, 2:5])
    assert crops.middle(image, (2, 2), 2).shape == (4, 4, 3)
