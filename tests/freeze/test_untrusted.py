"""Files from anybody are data: none runs code, takes more memory than it is worth, or reads or writes another file."""

import io
import json
import os
import pickle
import struct
import time
import warnings
import zipfile

import h5py
import numpy as np
import onnx
import pytest
import tensorflow as tf

from srnas_tf import archives, nets, run
from srnas_tf.arch import Space, imdn
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency_file as latency
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.nets import files, official, torch_file
from srnas_tf.report import results
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import SearchSettings
from srnas_tf.workdir.files import read_json
from srnas_tf.workdir.journal import read_lines


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """What a model file consists of, by name."""
    path = tmp_path_factory.mktemp("untrusted") / "model.keras"
    files.save(nets.build(imdn(2, 8, 1)), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _call(module, name, *arguments):
    return {"module": module, "class_name": name, "config": list(arguments), "registered_name": name}


def code(marker) -> dict:
    """By name, ways to have a model's configuration run code that makes a file; each changes a configuration."""
    python = f"open({str(marker)!r}, 'w')"
    function = {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "eval"}
    lambda_layer = {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "AAAA"}}},
    }  # fmt: skip
    return {
        "another class": lambda config: config.update(module="builtins", class_name="eval", registered_name="eval"),
        "a Lambda layer": lambda config: config.update(lambda_layer),
        "a Lambda layer within": lambda config: config["config"].update(name=lambda_layer),
        "its module": lambda config: config.update(module="os", class_name="system"),
        "its precision": lambda config: config["config"].update(dtype=_call("builtins", "eval", python)),
        "a function": lambda config: config["config"].update(dtype=function, network=function),
        "its recipe": lambda config: config["config"].update(network=f"x2:w8:{python}:SCSCS"),
        "its provenance": lambda config: config["config"].update(provenance=_call("builtins", "eval", python)),
        "its compilation": lambda config: config.update(
            compile_config={"optimizer": _call("builtins", "eval", python)}
        ),
        "how it is built": lambda config: config.update(build_config=_call("os", "system", f"touch {marker}")),
    }


@pytest.mark.parametrize("way", code("x"))
def test_a_model_that_wants_to_run_code_does_not(members, tmp_path, way):
    marker = tmp_path / "was here"
    config = json.loads(members["config.json"])
    code(marker)[way](config)
    path = pack(tmp_path / "evil.keras", members | {"config.json": json.dumps(config)})
    try:
        files.load(path)
    except UserError as error:
        assert "evil.keras" in str(error)
    assert not marker.exists()


ARCHIVES = {
    "a bomb": ({"config.json": b" " * 20_000_000 + b"{}"}, "unpacks to far more"),
    "weights of zeros": ({"model.weights.h5": bytes(20_000_000)}, "unpacks to far more"),
    "a way out": ({"../../evil": b"x"}, "leads elsewhere"),
    "a way out of Windows": ({"..\\evil": b"x"}, "leads elsewhere"),
    "the root": ({"/tmp/evil": b"x"}, "leads elsewhere"),
    "files to unpack": ({"assets/evil": b"x"}, "holds 'assets/evil'"),
}


@pytest.mark.parametrize("trick", ARCHIVES)
def test_archives_that_play_tricks_are_refused(members, tmp_path, trick):
    more, said = ARCHIVES[trick]
    path = pack(tmp_path / "evil.keras", members | more, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=rf"evil\.keras: .*{said}"):
        files.load(path)
    if trick != "files to unpack":
        for name in ("evil.npz", "evil.pth"):
            path = pack(tmp_path / name, {"w/data.pkl": b"", **more}, zipfile.ZIP_DEFLATED)
            with pytest.raises(UserError, match=rf"{name}: .*{said}"):
                official.read(path)


def test_an_archive_of_a_million_members(tmp_path):
    """Python would make an object of each before anything can be asked."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    count = 1_000_000
    directory = entry.ljust(46, b"\0")[:46] + b"a"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, count * len(directory), 0, 0)
    for name in ("w.pth", "w.npz", "w.keras"):
        (tmp_path / name).write_bytes(directory * count + end)
        start = time.monotonic()
        with pytest.raises(UserError, match=name):
            (files.load if name.endswith("keras") else official.read)(tmp_path / name)
        assert time.monotonic() - start < 2


def _unallocated(weights):
    weights["evil"].create_dataset("0", shape=(1 << 30,), dtype="f4")


def _compressed(weights):
    weights["evil"].create_dataset("0", shape=(1 << 22,), dtype="f4", compression="gzip", data=np.zeros(1 << 22))


def _elsewhere(weights):
    weights["evil"].create_dataset("0", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)])


def _linked(weights):
    weights["evil"]["0"] = h5py.ExternalLink("/etc/passwd", "/")


def _virtual(weights):
    layout = h5py.VirtualLayout((1 << 30,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (1 << 30,))
    weights["evil"].create_virtual_dataset("0", layout)


def _around(weights):
    weights["evil"]["0"] = weights["evil"]


def _of_texts(weights):
    weights["evil"].create_dataset("0", data=["text"] * 4)


@pytest.mark.parametrize("way", [_unallocated, _compressed, _elsewhere, _linked, _virtual, _around, _of_texts])
def test_weights_that_are_not_simply_there_are_refused(members, tmp_path, way):
    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "r+") as weights:
        weights.create_group("evil")
        way(weights)
    path = pack(tmp_path / "evil.keras", members | {"model.weights.h5": stream.getvalue()})
    with pytest.raises(UserError, match=r"evil\.keras: not a model of this package \(its '"):
        files.load(path)


def test_weights_of_another_size_take_no_memory(members, tmp_path):
    """A dataset that is as large as the file, where the network has a small one."""
    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "r+") as weights:
        found = []
        weights.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        del weights[found[0]]
        weights[found[0]] = np.zeros((1000, 1000), np.float32)
    path = pack(tmp_path / "evil.keras", members | {"model.weights.h5": stream.getvalue()})
    with pytest.raises(UserError, match=r"evil\.keras: not a model of this package"):
        files.load(path)


NOT_WEIGHTS = {
    "no axis": np.float32(1),
    "text": np.array(["a"]),
    "complex": np.ones((3, 3), complex),
    "not a number": np.full((3, 3), np.nan, np.float32),
}


@pytest.mark.parametrize("what", NOT_WEIGHTS)
def test_arrays_that_are_no_weights(tmp_path, what):
    np.savez(tmp_path / "w.npz", **{"fea_conv.weight": NOT_WEIGHTS[what], "upsampler.0.weight": np.ones((12, 1, 3, 3))})
    with pytest.raises(UserError, match=r"w\.npz: .*fea_conv\.weight"):
        official.read(tmp_path / "w.npz")


def test_what_a_message_quotes_cannot_write_on_the_terminal(capsys):
    assert run._fail("it asks for \x1b[2J\nevil\x07", 2) == 2
    assert capsys.readouterr().err == "srnas_tf: it asks for \\x1b[2J evil\\x07\n"


def test_special_files_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        special = tmp_path / name
        for read in (read_json, read_lines, torch_file.read, results.read, latency.read, files.load):
            with pytest.raises(UserError, match=name):
                read(special)
        for suffix in (".npz", ".onnx", ".tflite", ".keras"):
            path = tmp_path / f"{name}{suffix}"
            path.symlink_to(special)
            with pytest.raises(UserError, match=rf"{name}\{suffix}"):
                (official.read if suffix == ".npz" else load_upscaler)(path)


def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.npz", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a.npy", b"1")
        archive.writestr("./a.npy", b"2")
    with pytest.raises(UserError, match="two of its members"):
        official.read(tmp_path / "two.npz")
    with zipfile.ZipFile(tmp_path / "two.npz") as archive, pytest.raises(ValueError, match="two of its members"):
        archives.check(archive, 10**9)


def _header(shape) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_an_array_that_says_it_is_larger_than_it_is(tmp_path):
    for shape in ((10**12,), (10**6, 10**6), (-1,), (2**62, 4)):
        path = pack(tmp_path / "large.npz", {"fea_conv.weight.npy": _header(shape) + bytes(100)})
        with pytest.raises(UserError, match=r"large\.npz: not a file of weights"):
            official.read(path)


PICKLES = {
    "remembers in 64 GiB": b"\x80\x02K\x01r\xff\xff\xff\xff.",
    "remembers by text": b"K\x01p999999999999\n.",
    "is longer than it is": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "has no bottom": b"(" * 100_000 + b".",
    "is an object": pickle.dumps(Space(), 2),
    "is a function": pickle.dumps(print, 2),
    "is a number": pickle.dumps(7, 2),
    "is a list": pickle.dumps([1, 2], 2),
    "is empty": b"",
}


@pytest.mark.parametrize("what", PICKLES)
def test_pickles(tmp_path, what):
    path = pack(tmp_path / "evil.pth", {"w/data.pkl": PICKLES[what]})
    with pytest.raises(UserError, match=r"evil\.pth: not a file of weights"):
        torch_file.read(path)
    path.write_bytes(pickle.dumps(torch_file._MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + PICKLES[what])
    with pytest.raises(UserError, match=r"evil\.pth: not a file of weights"):
        torch_file.read(path)


def _saved_model(folder, act) -> str:
    """A SavedModel that enlarges twice, and does something else besides."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="lr")])
    def serve(lr):
        act(lr)
        return {"sr": tf.repeat(tf.repeat(lr, 2, 1), 2, 2)}

    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": serve})
    return folder


def test_a_saved_model_may_only_compute(tmp_path):
    marker = tmp_path / "was here"
    acts = {
        "WriteFile": lambda lr: tf.io.write_file(str(marker), "x"),
        "ReadFile": lambda lr: tf.debugging.assert_equal(
            tf.io.read_file("/etc/passwd"), tf.io.read_file("/etc/passwd")
        ),
        "PrintV2": lambda lr: tf.print("hello"),
        "EagerPyFunc": lambda lr: tf.py_function(lambda: marker.touch(), [], []),
        "MatchingFiles": lambda lr: tf.cond(
            lr[0, 0, 0, 0] > 0.5, lambda: tf.io.matching_files("/*"), lambda: tf.constant([""])
        ),
    }
    for name, act in acts.items():
        _saved_model(tmp_path / name, act)
        with pytest.raises(UserError, match=f"{name}: cannot be loaded .*more than computing"):
            load_upscaler(tmp_path / name)
    assert not marker.exists()
    upscale, scale = load_upscaler(_saved_model(tmp_path / "plain", lambda lr: None))
    assert scale == 2
    assert upscale(np.zeros((3, 4, 3), np.uint8)).shape == (6, 8, 3)
    (tmp_path / "plain" / "saved_model.pb").write_bytes(b"\xff" * 99)
    with pytest.raises(UserError, match="plain: cannot be loaded"):
        load_upscaler(tmp_path / "plain")


def test_an_onnx_file_whose_weights_are_another_file(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(16))
    weights = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret")
    lr, sr = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, None, None]) for name in ("lr", "sr")
    )
    identity = onnx.helper.make_node("Identity", ["lr"], ["sr"])
    constant = onnx.helper.make_node("Constant", [], ["c"], value=weights)
    for i, graph in enumerate((
        onnx.helper.make_graph([identity], "g", [lr], [sr], [weights]),
        onnx.helper.make_graph([identity, constant], "g", [lr], [sr]),
    )):  # fmt: skip
        (tmp_path / str(i)).mkdir()
        path = tmp_path / str(i) / "evil.onnx"
        path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
        with pytest.raises(UserError, match=r"evil\.onnx: cannot be loaded \(its weights lie in other files\)"):
            load_upscaler(path)


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[" * 100_000, b"", b"7", b"1" * 400, b"1e999", b'{"version": 1}', b'["a"]']
)
def test_what_a_workdir_and_tables_hold_is_data(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    for read in (latency.read, results.read):
        with pytest.raises(UserError, match=r"file\.json"):
            read(path)
    if not content.endswith((b"}", b"]", b"7")) or len(content) > 99:
        with pytest.raises(UserError, match=r"file\.json: is spoiled"):
            read_json(path)
    path.write_bytes(content + b"\n")
    if not content.endswith(b"}"):
        with pytest.raises(UserError, match=r"file\.json: line 1 is spoiled"):
            read_lines(path)


def test_a_measurement_that_is_no_number(tmp_path):
    space = Feasible(Space(depth=2, width=16), {})
    settings = SearchSettings(population=2, iterations=1)
    search(space, settings, lambda codes: 30.0, tmp_path)
    journal = tmp_path / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"psnr": 30.0', '"psnr": "30"', 1))
    with pytest.raises(UserError, match="line 1 is spoiled"):
        search(space, settings, lambda codes: 30.0, tmp_path)
