"""The page by WebGPU, in a browser that imitates it in software: the same results, and WebAssembly where it fails."""

import chromium
import numpy as np
import onnx
import pytest
from PIL import Image
from the_page import READY, by_browser, by_python, check_equal, one_model, photograph, served
from the_page import downloads as downloads  # fixtures
from the_page import site as site

from srnas_tf.demo import server

pytestmark = pytest.mark.skipif(not chromium.find(), reason="no Chromium")


@pytest.fixture(scope="module")
def attention_free(tmp_path_factory):
    """A tiny network that looks no further than three pixels, a photograph, and what the Python kit makes of it."""
    folder = tmp_path_factory.mktemp("plain")
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(0, 0.2, (8, 3, 3, 3)), "b": rng.normal(0, 0.1, (12, 8, 3, 3))}
    nodes = [
        onnx.helper.make_node("Conv", ["lr", "a"], ["x"], pads=[1] * 4),
        onnx.helper.make_node("LeakyRelu", ["x"], ["y"]),
        onnx.helper.make_node("Conv", ["y", "b"], ["z"], pads=[1] * 4),
        onnx.helper.make_node("DepthToSpace", ["z"], ["sr"], blocksize=2),
    ]
    lr, sr = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3, f"{of}height", f"{of}width"])
        for name, of in (("lr", ""), ("sr", "sr_"))
    )
    held = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = onnx.helper.make_graph(nodes, "g", [lr], [sr], held)
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(made, folder / "model.onnx")
    Image.fromarray(photograph(66, 70)).save(folder / "small.png")
    by_python(folder / "model.onnx", folder / "small.png", folder / "out.png", 128)
    return (folder / "model.onnx").read_bytes(), folder / "small.png", folder / "out.png"


@pytest.fixture(scope="module")
def graphics(downloads):
    """A browser with WebGPU, imitated in software."""
    pytest.importorskip("websocket")
    with chromium.Chromium(downloads, flags=chromium.SOFTWARE_WEBGPU) as opened:
        opened.open("about:blank")
        yield opened


def webgpu(site, graphics, monkeypatch) -> None:
    """Opens the page with a network that WebGPU takes, in squares of 64 pixels."""
    one_model(site, monkeypatch, stages=None, overlap=16, grid=1)
    served(site, monkeypatch, "/backends.js", b"SIDE = 256", b"SIDE = 64")
    graphics.open(f"{site.url}?runtime=webgpu")
    graphics.until(READY)
    if not graphics.run("navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false"):
        pytest.skip("no WebGPU")


def test_webgpu_makes_what_the_python_kit_makes(site, graphics, attention_free, downloads, tmp_path, monkeypatch):
    model, photograph, expected = attention_free
    monkeypatch.setitem(site.files, "/models/own/model.onnx", server.Answer("application/octet-stream", model))
    webgpu(site, graphics, monkeypatch)
    assert "WebGPU" in graphics.run("document.getElementById('about').textContent")
    check_equal(by_browser(graphics, downloads, photograph), expected)
    assert graphics.run("document.getElementById('notice').hidden")
    assert graphics.complaints() == []


FAILURES = {
    "its program is missing": ("/runtime/ort.webgpu.bundle.min.mjs", b"", b"throw new Error('none'); "),
    "it fails on its way": (
        "/model.js",
        b"const { sr } =",
        b"if (backend.fixed) throw new Error('wrong'); const { sr } =",
    ),
    "its device is lost": (
        "/model.js",
        b"const { sr } =",
        b"if (backend.fixed) (await ort.env.webgpu.device).destroy(); const { sr } =",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_webgpu_that_fails_is_replaced_in_the_same_run(
    site, graphics, attention_free, downloads, monkeypatch, failure
):
    model, photograph, expected = attention_free
    monkeypatch.setitem(site.files, "/models/own/model.onnx", server.Answer("application/octet-stream", model))
    path, old, new = FAILURES[failure]
    answer = site.files[path]
    monkeypatch.setitem(site.files, path, answer._replace(content=answer.content.replace(old, new, 1)))
    webgpu(site, graphics, monkeypatch)
    check_equal(by_browser(graphics, downloads, photograph), expected)
    notice = graphics.run("document.getElementById('notice').innerText")
    assert notice.startswith("WebGPU failed (")
    assert notice.endswith("Continuing in WebAssembly.")
    assert "WebAssembly" in graphics.run("document.getElementById('about').textContent")


def test_a_software_adapter_is_not_taken_unless_it_is_asked_for(site, graphics, monkeypatch):
    one_model(site, monkeypatch, stages=None)
    graphics.open(site.url)
    graphics.until(READY)
    assert "WebAssembly" in graphics.run("document.getElementById('about').textContent")
