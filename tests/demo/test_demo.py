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


def build(model, folder, name="a name"):
    """The page with one model."""
    bundle.build([bundle.Model(model, "own", name)], folder, "own")


def entries(files) -> list[dict]:
    """The models of a page that can be chosen."""
    return json.loads(files["/models/models.json"].content)["models"]


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
    build(model, tmp_path / "demo")
    files = server.files_of(tmp_path / "demo")
    page = {f"/{path.name}" for path in (ROOT / "export" / "web" / "page").iterdir()}
    made = {"/", "/models/own/model.onnx", "/models/models.json", "/site.js"}
    assert files.keys() == page | made | {f"/runtime/{name}" for name in bundle.RUNTIME}
    assert json.loads(files["/models/models.json"].content) == {
        "first": "own",
        "models": [
            {"id": "own", "name": "a name", "scale": None, "card": False, "overlap": 16, "grid": 6, "stages": None}
        ],
    }
    assert files["/runtime/ort-wasm-simd-threaded.wasm"].kind == "application/wasm"
    shutil.rmtree(tmp_path / "registry")  # what was fetched is kept
    build(model, tmp_path / "demo")
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
    """The kit with a runtime as `package` has it, and the networks that it comes with."""
    if not shutil.which("node"):
        pytest.skip("no Node")
    kits = tmp_path / "kits"
    shutil.copytree(ROOT / "export" / "web", kits / "web", ignore=shutil.ignore_patterns("node_modules"))
    for name, path in models.all_onnx().items():
        shutil.copytree(path.parent, kits / "onnxruntime" / name)
    runtime = kits / "web" / "node_modules" / "onnxruntime-web" / "dist"
    runtime.mkdir(parents=True)
    for each in bundle.RUNTIME:
        (runtime / each).write_text(each)
    return kits / "web"


def test_node_builds_the_page_with_the_networks_of_the_package(web, package, tmp_path):
    subprocess.run(["node", "build.mjs", str(tmp_path / "page")], cwd=web, check=True)
    demo._build(models.onnx(4), Workdir(tmp_path))
    made, expected = server.files_of(tmp_path / "page"), server.files_of(tmp_path / "demo")
    assert made == expected
    assert [entry["id"] for entry in entries(made)] == models.names()
    assert {"/models/x4/MODEL_CARD.md", "/models/x2/model.onnx"} <= made.keys()
    for entry in entries(made):  # they have no attention: parts that overlap are exact
        assert (entry["id"].split("-")[0], entry["overlap"], entry["stages"]) == (f"x{entry['scale']}", 25, None)
    assert not [path for path in made if "/stages/" in path]


def test_a_network_is_an_entry_of_a_list(model, package, tmp_path):
    """Any number of them, of any names; the page of an earlier version is replaced."""
    (tmp_path / "demo" / "model").mkdir(parents=True)
    (tmp_path / "demo" / "model" / "model.json").write_text("{}")
    (model.parent / "MODEL_CARD.md").write_text("# A card")
    bundle.build([bundle.Model(model, name, f"named {name}") for name in ("x2-photo", "x4")], tmp_path / "demo", "x4")
    files = server.files_of(tmp_path / "demo")
    assert [(entry["id"], entry["name"], entry["card"]) for entry in entries(files)] == [
        ("x2-photo", "named x2-photo", True), ("x4", "named x4", True)
    ]  # fmt: skip
    assert json.loads(files["/models/models.json"].content)["first"] == "x4"


def test_what_is_kept_for_a_browser_without_network(model, package, tmp_path):
    build(model, tmp_path / "demo")

    def site() -> dict:
        return json.loads((tmp_path / "demo" / "site.js").read_text().removeprefix("self.site = ").removesuffix(";\n"))

    first = site()
    served = {path.removeprefix("/") for path in server.files_of(tmp_path / "demo")} - {"", "site.js"}
    assert set(first["files"]) == {"./"} | served - {f"runtime/{name}" for name in bundle.WEBGPU}
    build(model, tmp_path / "demo")
    assert site() == first
    model.with_name("MODEL_CARD.md").write_text("# A card")
    build(model, tmp_path / "demo")
    assert site()["version"] != first["version"]


@pytest.mark.parametrize("name", ["model.onnx", "model_int8.onnx"])
def test_node_builds_the_same(model, package, staged, web, tmp_path, name):
    chosen = shutil.copy(model, tmp_path / name) if name != model.name else model
    build(chosen, tmp_path / "demo", name)
    line = ["node", "build.mjs", str(chosen), str(tmp_path / "page")]
    subprocess.run(line, cwd=web, check=True)
    assert server.files_of(tmp_path / "page") == server.files_of(tmp_path / "demo")
    again = subprocess.run(line, cwd=web, check=False, capture_output=True, text=True)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)


def test_stages_go_with_the_files_that_they_stand_for(model, package, staged, tmp_path):
    described, known = staged
    build(model, tmp_path / "demo")
    [entry] = entries(server.files_of(tmp_path / "demo"))
    assert entry["stages"] == {"reaches": [4, 2, 2], "channels": [8, 4, 6], "grid": 1}
    assert entry["scale"] == 4
    folder = tmp_path / "demo" / "models" / "own" / "stages"
    assert len(list(folder.iterdir())) == 3
    described.write_text(json.dumps({**known, "pools": False}))  # then they are not needed
    build(model, tmp_path / "demo")
    [entry] = entries(server.files_of(tmp_path / "demo"))
    assert (entry["overlap"], entry["grid"], entry["stages"]) == (8, 1, None)
    assert not folder.exists()
    shutil.copy(model, tmp_path / "model_int8.onnx")
    build(tmp_path / "model_int8.onnx", tmp_path / "demo")
    assert not folder.exists()
    for spoiled in ("{", '{"stands_for": ["model.onnx"]}', "[]", json.dumps({**known, "reaches": [1, 1, 1, 1]})):
        described.write_text(spoiled)
        with pytest.raises(UserError, match="stage"):
            build(model, tmp_path / "demo")


def test_a_package_that_is_another_is_not_taken(model, package, tmp_path, monkeypatch):
    kept = tmp_path / "cache" / "srnas_tf" / package.name
    other = package._replace(integrity="sha512-other")
    monkeypatch.setattr(bundle, "pinned", lambda: other)
    with pytest.raises(WorkError, match="SHA-512"):
        build(model, tmp_path / "demo")
    assert not kept.exists()
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"other")
    monkeypatch.setattr(bundle, "pinned", lambda: package)
    with pytest.raises(UserError, match=r"runtime\.tgz: is not .* remove it"):
        build(model, tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_registry_out_of_reach(model, package, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "pinned", lambda: package._replace(address="http://127.0.0.1:9/runtime.tgz"))
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*cannot be fetched .*put it at .*runtime\.tgz"):
        build(model, tmp_path / "demo")


def test_a_folder_of_other_things_stays(model, package, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="is not a page"):
        build(model, tmp_path / "demo")
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
    made = tmp_path / "work" / "demo" / "models" / "own"
    [known] = entries(server.files_of(tmp_path / "work" / "demo"))
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
    id, served = ("own", model) if "model" in given else ("x4", models.onnx(4))
    assert (tmp_path / "demo" / "models" / id / "model.onnx").read_bytes() == served.read_bytes()
