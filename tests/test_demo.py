"""`--mode=demo` without a browser: what is built, what is served, and what is not."""

import base64
import contextlib
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
import threading
import time

import numpy as np
import onnx
import pytest
from conftest import ROOT, photograph

from srnas_tf import models, nets
from srnas_tf.demo import bundle, server
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze.staged import load_model
from srnas_tf.modes import demo
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize
from srnas_tf.settings import Workdir
from srnas_tf.train.evaluate import of_network

QUICK = server.Limits(head=2048, asking=0.3, taking=0.5, clients=2)


@pytest.fixture
def folder(tmp_path):
    """A page, and what lies in and beside it that is none of the page."""
    made = tmp_path / "page"
    (made / "model").mkdir(parents=True)
    (made / "index.html").write_text("<!doctype html>")
    (made / "model" / "large.onnx").write_bytes(bytes(20_000_000))
    (made / ".hidden.js").write_text("secret")
    (made / "notes.txt").write_text("secret")
    (tmp_path / "secret.js").write_text("secret")
    (made / "link.js").symlink_to(tmp_path / "secret.js")
    (made / "up").symlink_to(tmp_path)
    return made


@pytest.fixture
def serving(folder):
    with server.Server("127.0.0.1", 0, QUICK) as listening:
        listening.files = server.files_of(folder)
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield listening
        listening.shutdown()


def connect(serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.server_port), timeout=10)


def everything(client: socket.socket) -> bytes:
    read = b""
    while more := client.recv(65536):
        read += more
    return read


def ask(serving, line: str, host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of a request line, to the letter as it is written."""
    with connect(serving) as client:
        client.sendall(f"{line} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{serving.server_port}'}\r\n\r\n".encode())
        head, _, body = everything(client).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return int(status.split()[1]), dict(header.split(": ", 1) for header in headers), body


def test_serves_the_page_with_headers_that_keep_it_to_itself(serving):
    status, headers, body = ask(serving, "GET /?tile=64")
    assert (status, body) == (200, b"<!doctype html>")
    assert headers.items() >= server.HEADERS.items()
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Python" not in headers["Server"]
    status, headers, body = ask(serving, "HEAD /model/large.onnx")
    assert (status, headers["Content-Length"], body) == (200, "20000000", b"")


@pytest.mark.parametrize(
    "path",
    ["/../secret.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "/model/../../secret.js", "/model/..", "//secret.js",
     "/link.js", "/up/secret.js", "/.hidden.js", "/notes.txt", "/model", "/model/", "/model/..%5c..%5csecret.js",
     "/index.html%00.js", "http://127.0.0.1/index.html", "/etc/passwd", "secret.js", "*"],
)  # fmt: skip
def test_nothing_else_is_served(serving, path):
    status, headers, body = ask(serving, f"GET {path}")
    assert (status, body) == (404, b"404 Not Found\n")
    assert headers.items() >= server.HEADERS.items()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FLY"])
def test_nothing_is_taken(serving, method):
    status, headers, _ = ask(serving, f"{method} /")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["example.com", "evil.test:80", "127.0.0.1:1", ""])
def test_other_names_that_lead_here_are_refused(serving, host):
    """A page from elsewhere whose name was made to lead to this machine."""
    assert ask(serving, "GET /", host or " ")[0] == 421
    assert ask(serving, "GET /", f"LOCALHOST:{serving.server_port}")[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(500)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d:\r\n" % i for i in range(150)) + b"\r\n", 431),
        (b"\r\n\r\n", None),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 421),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
    ],
)
def test_requests_that_are_none(serving, request_, status):
    with connect(serving) as client:
        client.sendall(request_)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.0 %d " % status if status else b"")
    assert status is None or b"Content-Security-Policy" in answer
    assert ask(serving, "GET /")[0] == 200


def test_a_slow_asker_is_turned_away(serving):
    """A byte now and then does not keep the connection open."""
    start = time.monotonic()
    with connect(serving) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        client.settimeout(0.05)
        while not answer and time.monotonic() < start + 5:
            try:
                client.sendall(b"X")
                answer = client.recv(100)
            except TimeoutError:
                pass
    assert answer.startswith(b"HTTP/1.0 408 ")
    assert time.monotonic() - start < 2


def test_a_slow_taker_is_left(serving):
    with connect(serving) as client:
        client.sendall(b"GET /model/large.onnx HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % serving.server_port)
        time.sleep(1.0)  # longer than QUICK.taking
        read = b""
        with contextlib.suppress(ConnectionError):
            while more := client.recv(65536):
                read += more
    assert read.startswith(b"HTTP/1.0 200 ")
    assert len(read) < 20_000_000


def test_clients_beyond_what_is_served_at_a_time_are_turned_away(serving):
    with connect(serving) as first, connect(serving) as second, connect(serving) as third:
        with contextlib.suppress(ConnectionError):
            assert everything(third) == b""
        assert everything(first).startswith(b"HTTP/1.0 408 ")  # what was asked for never came
        assert everything(second).startswith(b"HTTP/1.0 408 ")
    time.sleep(0.1)
    assert ask(serving, "GET /")[0] == 200


def test_only_a_loopback_server_goes_by_names():
    hosts = ("127.0.0.1", "127.8.9.1", "::1", "localhost", "0.0.0.0", "::", "192.168.1.2", "example.com", "")
    assert [host for host in hosts if server.is_loopback(host)] == ["127.0.0.1", "127.8.9.1", "::1", "localhost"]
    with server.Server("0.0.0.0", 0) as open_to_all:
        assert open_to_all.names is None


@pytest.mark.parametrize("host", ["no.such.host.invalid", "999.1.1.1", "a" * 70 + ".com", "192.0.2.1"])
def test_a_host_that_is_none(host):
    with pytest.raises(UserError, match="--host="):
        server.Server(host, 0)


def test_a_port_in_use(serving):
    with pytest.raises(UserError, match=f"--port={serving.server_port}"):
        server.Server("127.0.0.1", serving.server_port)


def test_the_page_says_of_itself_what_the_server_says():
    page = (bundle.PAGE / "index.html").read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.+?)"', page)[1]
    assert f"{policy}; frame-ancestors 'none'" == server.HEADERS["Content-Security-Policy"]
    assert not re.search(r"https?://", page), "the page works offline"


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
    assert made["stages"] == {"reaches": [4, 2, 2], "channels": [8, 4, 6]}
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
    assert json.loads((made / "model.json").read_text())["name"] == "mine.keras"
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
