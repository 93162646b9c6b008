"""What tests of the page share: the page as it is served, a browser, and what both make of a file."""

import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import chromium
import numpy as np
import pytest
import skimage
from conftest import ROOT
from PIL import Image

from srnas_tf.demo import bundle, server
from srnas_tf.errors import UserError

TILE = 80
"""Side of the parts, in pixels: several of them in each photograph."""

READY = "document.getElementById('about').textContent.includes(' times ')"
ENDED = "document.body.className === 'done' || document.querySelector('.message:not([hidden])') !== null"
STATES = "[...document.querySelectorAll('.item')].map((item) => item.dataset.state).join(' ')"


@pytest.fixture(scope="module")
def site(frozen, tmp_path_factory):
    """The page with a model in stages, served as `--mode=demo` does."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    try:
        bundle.build([bundle.Model(frozen[2] / "model.onnx", "own", "model.onnx")], folder, "own")
    except UserError as error:
        if "cannot be fetched" in str(error):
            pytest.skip(str(error))
        raise
    with server.Server("127.0.0.1", 0) as listening:
        listening.files = server.files_of(folder)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads):
    pytest.importorskip("websocket")
    with chromium.Chromium(downloads) as opened:
        yield opened


def photograph(height: int = 96, width: int = 130) -> np.ndarray:
    """An astronaut's face."""
    return skimage.data.astronaut()[60 : 60 + height, 150 : 150 + width]


def by_python(model: Path, source: Path, target: Path, tile: int = TILE) -> None:
    """Enlarges a file or folder by the Python kit."""
    kit = ROOT / "export" / "onnxruntime" / "upscale.py"
    line = [sys.executable, kit, model, source, target, f"--tile={tile}"]
    subprocess.run([str(part) for part in line], check=True, capture_output=True)


def by_browser(page, downloads: Path, path: Path, scale: int = 2) -> np.ndarray:
    """What the page makes of a file, as it is downloaded."""
    page.choose(path)
    page.until(ENDED)
    assert page.run(STATES) == "done", page.run("document.body.innerText")
    return downloaded(page, downloads / f"{path.stem}-x{scale}.png")


def downloaded(page, result: Path) -> np.ndarray:
    with Image.open(io.BytesIO(download(page, result))) as image:
        return np.asarray(image)


def download(page, result: Path) -> bytes:
    """A file, once it is there as a whole: the browser gives it its name at the end."""
    page.run("document.getElementById('download').click()")
    chromium.until(result.exists)
    content = result.read_bytes()
    result.unlink()
    return content


def served(site, monkeypatch, path: str, old: bytes, new: bytes) -> None:
    """Changes a file of the page."""
    answer = site.files[path]
    assert old in answer.content
    monkeypatch.setitem(site.files, path, answer._replace(content=answer.content.replace(old, new)))


def one_model(site, monkeypatch, **changed) -> None:
    """Changes what the page knows of its network."""
    known = json.loads(site.files["/models/models.json"].content)
    known["models"][0] |= changed
    answer = server.Answer("application/json", json.dumps(known).encode())
    monkeypatch.setitem(site.files, "/models/models.json", answer)


def check_equal(made: np.ndarray, expected: Path) -> None:
    with Image.open(expected) as image:
        wanted = np.asarray(image)
    assert made.shape == wanted.shape
    difference = np.abs(made.astype(int) - wanted)
    assert (difference <= 1).mean() >= 0.999
    assert difference.max() <= 2
