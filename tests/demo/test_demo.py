"""`--mode=demo` without a browser: what is built, and that it is served."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile

import numpy as np
import onnx
import pytest
from conftest import ROOT, photograph
from test_server import everything

from srnas_tf import models, nets
from srnas_tf.demo import bundle, server
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze.staged import load_model
from srnas_tf.modes import demo
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize
from srnas_tf.train.evaluate import of_network
from srnas_tf.workdir.folder import Workdir


def network(inputs: str, outputs: str, kind: int = onnx.TensorProto.FLOAT, shape=("n", 3, "h", "w")) -> bytes:
    """An ONNX file that does nothing."""
    values = [onnx.helper.make_tensor_value_info(name, kind, shape) for name in (inputs, outputs)]
    node = onnx.helper.make_node("Identity", [inputs], [outputs])
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    return onnx.helper.make_model(graph).SerializeToString()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(network("lr", "sr"))
    return path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with files of onnxruntime-web's names, and an empty cache."""
    path = tmp_path / "registry" / "package.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for name in (*bundle.RUNTIME, "other.js"):
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    made = bundle.Package("runtime.tgz", path.as_uri(), f"sha512-{digest}")
    monkeypatch.setattr(bundle, "pinned", lambda: made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_builds_what_the_browser_needs_and_no_more(model, package, tmp_path):
    bundle.build(model, tmp_path / "demo", "a name")
    files = server.files_of(tmp_path / "demo")
    page = {f"/{path.name}" for path in (ROOT / "export" / "web" / "page").iterdir()}
    assert files.keys() == page | {"/", "/model/model.onnx", "/model/model.json"} | {
        f"/runtime/{name}" for name in bundle.RUNTIME
    }
    assert json.loads(files["/model/model.json"].content) == {"name": "a name", "card": False, "stages": None}
    assert files["/runtime/ort-wasm-simd-threaded.wasm"].kind == "application/wasm"
    shutil.rmtree(tmp_path / "registry")  # what was fetched is kept
    bundle.build(model, tmp_path / "demo", "a name")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "demo", "model.onnx"]


@pytest.fixture
def staged(model):
    """`stages.json` beside the model, with its stages, and what it says."""
    described = model.parent / "stages" / "stages.json"
    described.parent.mkdir()
    for i in range(3):
        described.with_name(f"stage{i:02}.onnx").write_bytes(b"stage")
    known = {"scale": 4, "reaches": [4, 2, 2], "channels": [8, 4, 6], "stands_for": ["model.onnx"]}
    described.write_text(json.dumps(known))
    return described, known


@pytest.fixture
def web(tmp_path):
    """The kit with a runtime as `package` has it, and the network that it comes with."""
    if not shutil.which("node"):
        pytest.skip("no Node")
    kits = tmp_path / "kits"
    shutil.copytree(ROOT / "export" / "web", kits / "web", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(models.onnx(4).parent, kits / "onnxruntime" / "x4")
    runtime = kits / "web" / "node_modules" / "onnxruntime-web" / "dist"
    runtime.mkdir(parents=True)
    for each in bundle.RUNTIME:
        (runtime / each).write_text(each)
    return kits / "web"


def test_node_builds_the_page_with_the_network_of_the_package(web, package, tmp_path):
    subprocess.run(["node", "build.mjs", str(tmp_path / "page")], cwd=web, check=True)
    bundle.build(models.onnx(4), tmp_path / "demo", "model.onnx")
    assert {"/model/MODEL_CARD.md", "/model/stages/stage05.onnx"} <= server.files_of(tmp_path / "page").keys()
    made, expected = server.files_of(tmp_path / "page"), server.files_of(tmp_path / "demo")
    known = "/model/model.json"
    assert json.loads(made.pop(known).content) == json.loads(expected.pop(known).content)
    assert made == expected


@pytest.mark.parametrize("name", ["model.onnx", "model_int8.onnx"])
def test_node_builds_the_same(model, package, staged, web, tmp_path, name):
    chosen = shutil.copy(model, tmp_path / name) if name != model.name else model
    bundle.build(chosen, tmp_path / "demo", name)
    line = ["node", "build.mjs", str(chosen), str(tmp_path / "page")]
    subprocess.run(line, cwd=web, check=True)
    made, expected = server.files_of(tmp_path / "page"), server.files_of(tmp_path / "demo")
    known = "/model/model.json"
    assert json.loads(made.pop(known).content) == json.loads(expected.pop(known).content)
    assert made == expected
    again = subprocess.run(line, cwd=web, check=False, capture_output=True, text=True)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)


def test_stages_go_with_the_files_that_they_stand_for(model, package, staged, tmp_path):
    described, known = staged
    bundle.build(model, tmp_path / "demo", "a name")
    made = json.loads((tmp_path / "demo" / "model" / "model.json").read_text())
    assert made["stages"] == {"reaches": [4, 2, 2], "channels": [8, 4, 6], "grid": 1}
    assert len(list((tmp_path / "demo" / "model" / "stages").iterdir())) == 3
    shutil.copy(model, tmp_path / "model_int8.onnx")
    bundle.build(tmp_path / "model_int8.onnx", tmp_path / "demo", "a name")
    assert not (tmp_path / "demo" / "model" / "stages").exists()
    for spoiled in ("{", '{"stands_for": ["model.onnx"]}', "[]", json.dumps({**known, "reaches": [1, 1, 1, 1]})):
        described.write_text(spoiled)
        with pytest.raises(UserError, match="stage"):
            bundle.build(model, tmp_path / "demo", "a name")


def test_a_package_that_is_another_is_not_taken(model, package, tmp_path, monkeypatch):
    kept = tmp_path / "cache" / "srnas_tf" / package.name
    other = package._replace(integrity="sha512-other")
    monkeypatch.setattr(bundle, "pinned", lambda: other)
    with pytest.raises(WorkError, match="SHA-512"):
        bundle.build(model, tmp_path / "demo", "a name")
    assert not kept.exists()
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"other")
    monkeypatch.setattr(bundle, "pinned", lambda: package)
    with pytest.raises(UserError, match=r"runtime\.tgz: is not .* remove it"):
        bundle.build(model, tmp_path / "demo", "a name")
    assert not (tmp_path / "demo").exists()


def test_a_registry_out_of_reach(model, package, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "pinned", lambda: package._replace(address="http://127.0.0.1:9/runtime.tgz"))
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*cannot be fetched .*put it at .*runtime\.tgz"):
        bundle.build(model, tmp_path / "demo", "a name")


def test_a_folder_of_other_things_stays(model, package, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="is no page"):
        bundle.build(model, tmp_path / "demo", "a name")
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        network("x", "sr"),
        network("lr", "y"),
        network("lr", "sr", onnx.TensorProto.UINT8),
        network("lr", "sr", shape=(1, 3, 64, 64)),
    ],
)
def test_models_that_the_page_cannot_run(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.onnx"):
        bundle.check_model(path)


def test_the_lock_file_pins_what_package_json_asks_for():
    asked = json.loads((ROOT / "export" / "web" / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    assert bundle.pinned().name == f"onnxruntime-web-{asked}.tgz"
    assert bundle.pinned().address.startswith("https://registry.npmjs.org/onnxruntime-web/")
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", bundle.pinned().integrity)


def test_a_keras_file_is_converted(package, tmp_path):
    network = nets.SRNet("x2:w8:imdn:r0.25:k3:f1:SCS")
    initialize(network, 0, "interpolation")
    files.save(network, tmp_path / "mine.keras")
    demo._build(tmp_path / "mine.keras", Workdir(tmp_path / "work"))
    made = tmp_path / "work" / "demo" / "model"
    known = json.loads((made / "model.json").read_text())
    assert (known["name"], known["card"]) == ("mine.keras", True)
    image = photograph(np.random.default_rng(0), 20, 31) / np.float32(255)
    model = load_model(made / "model.onnx")
    assert np.abs(model.whole(image) - of_network(network)(image)).max() < 1e-4
    assert sorted(path.name for path in (made / "stages").iterdir()) == ["stage00.onnx", "stage01.onnx"]


RUN = """
import sys
from srnas_tf.demo import bundle
bundle.pinned = lambda: bundle.Package(*sys.argv[1:4])
from srnas_tf.run import main
status = main(["srnas_tf", *sys.argv[4:]])
assert "tensorflow" not in sys.modules
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("number", "status", "given"),
    [(signal.SIGINT, 130, "--model={}/model.onnx"), (signal.SIGTERM, 143, "--workdir={}")],
)
def test_the_mode_serves_until_it_is_stopped(model, package, tmp_path, number, status, given):
    """A model, and the network in the package, for which TensorFlow is not needed either."""
    line = [sys.executable, "-c", RUN, *package, "--mode=demo", given.format(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes) as process:
        url = process.stdout.readline().strip()
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", url)[1])
        for _ in range(5):  # the signal comes while the last answer's thread is being put away
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
                assert everything(client).startswith(b"HTTP/1.0 200 OK")
        process.send_signal(number)
        try:
            stdout, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, stdout) == (status, "")
    assert stderr.splitlines()[-1].startswith(f"srnas_tf: stopped by {number.name}")
    assert (tmp_path / "demo" / "index.html").exists()
    served = model if "model" in given else models.onnx(4)
    assert (tmp_path / "demo" / "model" / "model.onnx").read_bytes() == served.read_bytes()
