"""What exported files say of themselves, and that the same network becomes the same bytes."""

import hashlib
import json

import numpy as np
import onnx
import pytest
from conftest import NETWORK, command, photograph
from PIL import Image

from srnas_tf import arch, nets
from srnas_tf.freeze import card, litert_file, onnx_graph
from srnas_tf.freeze.runtimes import onnxruntime
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize


def test_onnx_files_say_what_they_are(frozen):
    _, _, folder = frozen
    for name in ("model.onnx", "model_fp16.onnx", "model_int8.onnx", "stages/stage00.onnx"):
        model = onnx.load(folder / name)
        said = {each.key: each.value for each in model.metadata_props}
        assert (said["scale"], said["range"], said["architecture"]) == ("2", "0..1", str(arch.parse(NETWORK)))
        assert {"training_data", "version", "card"} < set(said)
        assert model.doc_string == said["description"]
        assert {each.domain for each in model.opset_import} == {node.domain for node in model.graph.node} == {""}


def test_litert_files_say_what_they_are(frozen):
    from tensorflow.lite.tools import flatbuffer_utils

    _, _, folder = frozen
    for name in ("model.tflite", "model_fp16.tflite", "model_int8.tflite", "stages/stages.tflite"):
        model = flatbuffer_utils.read_model(str(folder / name))
        said = {each.name: bytes(model.buffers[each.buffer].data) for each in model.metadata}
        assert json.loads(said[litert_file.DESCRIBED])["scale"] == "2"
        assert said[litert_file.METADATA][4:8] == b"M001"
        assert str(arch.parse(NETWORK)).encode() in said[litert_file.METADATA]
        assert model.description.decode() == json.loads(said[litert_file.DESCRIBED])["description"]


def test_names_are_those_of_layers_and_channels_are_split_where_they_are(frozen):
    _, _, folder = frozen
    nodes = onnx.load(folder / "model.onnx").graph.node
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    assert any(name.endswith("block1/first/convolution") for name in names)
    assert not [name for name in names if "PartitionedCall" in name or "__" in name]
    assert not [node for node in nodes if node.op_type == "Transpose" and "block1" in node.name]


def test_what_is_tidy_already_stays(frozen):
    model = onnx.load(frozen[2] / "model.onnx")
    said = {each.key: each.value for each in model.metadata_props}
    assert onnx_graph.tidied(model, said).SerializeToString() == model.SerializeToString()


def test_an_onnx_file_of_another_version_is_said_to_be(frozen, tmp_path):
    model = onnx.load(frozen[2] / "model.onnx")
    model.opset_import[0].version = onnxruntime.OPSET + 1
    onnx.save(model, tmp_path / "newer.onnx")
    with pytest.raises(ValueError, match="is of opsets"):
        onnxruntime.operators(tmp_path / "newer.onnx")


def test_cards_are_read_by_hugging_face(frozen):
    yaml = pytest.importorskip("yaml")
    model, report, folder = frozen
    text = (folder / "MODEL_CARD.md").read_text("utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["pipeline_tag"] == "image-to-image"
    assert {"super-resolution", "x2", "onnx", "tflite"} <= set(head["tags"])
    scores = type("Scores", (), {"psnrs": [1.0], "psnr": 30.0, "ssim": 0.9})
    evaluated = {'Set5: "x"': {"psnr": 31.5, "ssim": 0.9, "images": 5}, "Set14": {"psnr": None, "ssim": 1, "images": 1}}
    said = card.model_card(model, scores, 5, report, card.ExportSettings(), evaluated)
    first, second = yaml.safe_load(said.split("---\n")[1])["model-index"][0]["results"]
    assert first["dataset"]["name"] == 'Set5: "x"'
    assert first["metrics"] == [{"type": "psnr", "value": 31.5}, {"type": "ssim", "value": 0.9}]
    assert second["metrics"] == [{"type": "ssim", "value": 1.0}]


def test_the_card_tells_of_the_training_what_played_a_part(frozen, monkeypatch):
    model, report, _ = frozen
    scores = type("Scores", (), {"psnrs": [1.0], "psnr": 30.0, "ssim": 0.9})
    recipe = {"steps": 9, "schedule": "cosine", "halve_every": 5, "teacher": "", "teacher_weight": 0.5, "keep": 3}
    outcome = {"data": "my cats", "low_resolution": "jpeg=40:95|420", "seed": 0, "val_psnr": 24.9693}
    monkeypatch.setattr(model, "provenance", recipe | outcome)
    said = card.model_card(model, scores, 5, report, card.ExportSettings())
    training = said.partition("## Training\n\n")[2].partition("\n\n")[0]
    assert training.splitlines() == [
        "- steps: 9",
        "- schedule: `cosine`",
        "- data: my cats",
        "- low_resolution: `jpeg=40:95|420`",
        "- seed: 0",
        "- val_psnr: 24.97 dB",
    ]
    monkeypatch.setattr(model, "provenance", recipe | {"schedule": "step", "teacher": "big.keras"})
    said = card.model_card(model, scores, 5, report, card.ExportSettings())
    assert {"- halve_every: 5", "- teacher_weight: 0.5", "- teacher: `big.keras`"} <= set(said.splitlines())
    monkeypatch.setattr(model, "provenance", {"val_psnr": "high", "steps": [1, 2]})  # a file of somebody else's
    said = card.model_card(model, scores, 5, report, card.ExportSettings())
    assert {"- val_psnr: `high`", "- steps: [1, 2]"} <= set(said.splitlines())


def test_the_card_says_how_far_pure_colours_are_off(frozen):
    model, _, folder = frozen
    colours = np.array(list(np.ndindex(2, 2, 2)), np.float32)
    enlarged = np.clip(model(np.broadcast_to(colours[:, None, None], (8, 32, 32, 3))), 0, 1)
    off = np.abs(np.rint(255 * np.asarray(enlarged)) - 255 * colours[:, None, None]).max()
    assert off > 0
    assert f"at most {off:.0f} levels of 255 off" in (folder / "MODEL_CARD.md").read_text("utf-8").replace("\n", " ")


def test_the_card_says_which_files_are_slower_here(frozen):
    model, report, _ = frozen
    scores = type("Scores", (), {"psnrs": [1.0], "psnr": 30.0, "ssim": 0.9})
    times = {"model.onnx": 10.0, "model_fp16.onnx": 40.0, "model_int8.onnx": 9.0}
    timed = {name: report[name] | {"latency_ms": {"1": ms}} for name, ms in times.items()}
    said = card.model_card(model, scores, 5, timed, card.ExportSettings())
    assert "| `model_fp16.onnx` | 40 | 4.0 times as long as `model.onnx` |" in said
    assert "| `model_int8.onnx` | 9 |  |" in said
    del timed["model_fp16.onnx"]
    assert "slower" not in card.model_card(model, scores, 5, timed, card.ExportSettings())


def test_the_same_network_becomes_the_same_bytes(tmp_path):
    for i in range(2):
        Image.fromarray(photograph(np.random.default_rng(i), 48, 40)).save(tmp_path / f"{i}.png")
    model = nets.SRNet("x2:w8:imdn:r0.25:k3:f1:SCS")
    initialize(model, 0, "interpolation")
    files.save(model, tmp_path / "mine.keras")
    made = []
    for name in ("a", "b"):  # each a process, whose sets have an order of their own
        done = command(
            "--mode=export", f"--model={tmp_path / 'mine.keras'}", f"--workdir={tmp_path / name}", "--nocard_latency",
            f"--data={tmp_path}", f"--test_data={tmp_path}", "--export_files=saved_model,model.onnx,model_int8.onnx",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        folder = tmp_path / name / "export"
        paths = [path for path in folder.rglob("*") if path.is_file()]
        made.append({str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths})
    assert made[0] == made[1]
    assert len(made[0]) > 8
