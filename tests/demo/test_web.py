"""The page of export/web in a real browser: what comes out of it is what the Python kit makes."""

import io
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import chromium
import numpy as np
import pytest
import skimage
from conftest import ROOT
from PIL import Image, ImageOps

from srnas_tf import models
from srnas_tf.demo import bundle, server
from srnas_tf.errors import UserError

pytestmark = pytest.mark.skipif(not chromium.find(), reason="no Chromium")

TILE = 80
"""Side of the parts, in pixels: several of them in each photograph."""


@pytest.fixture(scope="module")
def site(frozen, tmp_path_factory):
    """The page with a model in stages, served as `--mode=demo` does."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    try:
        bundle.build(frozen[2] / "model.onnx", folder, "model.onnx")
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


@pytest.fixture
def page(browser, site):
    browser.open(f"{site.url}?tile={TILE}")
    browser.until("document.getElementById('about').textContent.startsWith('2 times')")
    yield browser
    assert browser.complaints() == []


def photograph(height: int = 96, width: int = 130) -> np.ndarray:
    """An astronaut's face."""
    return skimage.data.astronaut()[60 : 60 + height, 150 : 150 + width]


def write_all(folder: Path) -> None:
    """The photograph as files of several kinds."""
    pixels = photograph()
    Image.fromarray(pixels).save(folder / "colour.png")
    Image.fromarray(pixels).convert("L").save(folder / "gray.png")
    alpha = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8) ^ (np.arange(96)[:, None] // 8 % 2 * 255)
    Image.fromarray(np.dstack([pixels, alpha.astype(np.uint8)])).save(folder / "transparent.png")
    seen = np.hypot(*(np.mgrid[:96, :130] - np.array([48, 60])[:, None, None])) < 30
    hidden = np.where(seen[..., None], pixels, np.array([255, 0, 255], np.uint8))
    Image.fromarray(np.dstack([hidden, np.where(seen, 255, 0).astype(np.uint8)])).save(folder / "cut-out.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.fromarray(pixels).save(folder / "turned.jpg", quality=92, exif=exif)


def by_python(model: Path, source: Path, target: Path, tile: int = TILE) -> None:
    """Enlarges a file or folder by the Python kit."""
    kit = ROOT / "export" / "onnxruntime" / "upscale.py"
    line = [sys.executable, kit, model, source, target, f"--tile={tile}"]
    subprocess.run([str(part) for part in line], check=True, capture_output=True)


@pytest.fixture(scope="module")
def kinds(frozen, tmp_path_factory):
    """Photographs of several kinds, and in `out` what the Python kit makes of them."""
    folder = tmp_path_factory.mktemp("kinds")
    write_all(folder)
    by_python(frozen[2] / "model.onnx", folder, folder / "out")
    (folder / "out" / "turned.jpg").unlink()  # JPEG would hide what differs
    with Image.open(folder / "turned.jpg") as image:
        ImageOps.exif_transpose(image).save(folder / "upright.png")
    by_python(frozen[2] / "model.onnx", folder / "upright.png", folder / "out" / "turned.png")
    return folder


def by_browser(page, downloads: Path, path: Path, scale: int = 2) -> np.ndarray:
    """What the page makes of a file, as it is downloaded."""
    page.choose(path)
    page.until("!document.getElementById('result').hidden || !document.getElementById('message').hidden")
    assert page.run("document.getElementById('message').hidden"), page.run("document.body.innerText")
    return downloaded(page, downloads / f"{path.stem}-x{scale}.png")


def downloaded(page, result: Path) -> np.ndarray:
    page.run("document.getElementById('download').click()")
    chromium.until(result.exists)
    with Image.open(result) as image:
        pixels = np.asarray(image)
    result.unlink()
    return pixels


def check_equal(made: np.ndarray, expected: Path) -> None:
    with Image.open(expected) as image:
        wanted = np.asarray(image)
    assert made.shape == wanted.shape
    difference = np.abs(made.astype(int) - wanted)
    assert (difference <= 1).mean() >= 0.999
    assert difference.max() <= 2


@pytest.mark.parametrize("name", ["colour.png", "gray.png", "transparent.png", "cut-out.png", "turned.jpg"])
def test_the_page_makes_what_the_python_kit_makes(page, kinds, downloads, name):
    made = by_browser(page, downloads, kinds / name)
    assert made.shape[:2] == ((260, 192) if name == "turned.jpg" else (192, 260))
    check_equal(made, (kinds / "out" / name).with_suffix(".png"))


def test_what_lies_between_the_stages_may_lie_on_disk(page, site, kinds, downloads, monkeypatch):
    rows, limit = site.files["/rows.js"], b"256 * 2 ** 20"
    assert limit in rows.content
    content = rows.content.replace(limit, b"0").replace(b"new InMemory", b"nothing")
    monkeypatch.setitem(site.files, "/rows.js", rows._replace(content=content))
    page.open(f"{site.url}?tile={TILE}")
    check_equal(by_browser(page, downloads, kinds / "colour.png"), kinds / "out" / "colour.png")
    assert (
        page.run("(async () => { for await (const _ of (await navigator.storage.getDirectory()).keys()) return 1 })()")
        is None
    )


def test_models_without_stages_enlarge_parts_that_overlap(page, site, frozen, kinds, downloads, tmp_path, monkeypatch):
    shutil.copy(frozen[2] / "model.onnx", tmp_path)
    by_python(tmp_path / "model.onnx", kinds / "colour.png", tmp_path / "expected.png")
    monkeypatch.setitem(site.files, "/model/model.json", server.Answer("application/json", b'{"name": "m"}'))
    page.open(f"{site.url}?tile={TILE}")
    check_equal(by_browser(page, downloads, kinds / "colour.png"), tmp_path / "expected.png")


def test_the_network_of_the_package_and_its_card(browser, site, kinds, downloads, tmp_path, monkeypatch):
    bundle.build(models.onnx(4), tmp_path / "demo", "model.onnx")
    by_python(models.onnx(4), kinds / "colour.png", tmp_path / "expected.png")
    monkeypatch.setattr(site, "files", server.files_of(tmp_path / "demo"))
    browser.open(f"{site.url}?tile={TILE}")
    check_equal(by_browser(browser, downloads, kinds / "colour.png", 4), tmp_path / "expected.png")
    card = "(async () => await (await fetch(document.querySelector('#card:not([hidden])').href)).text())()"
    assert "research" in browser.run(card)
    assert browser.complaints() == []


def test_where_memory_runs_out_parts_become_smaller(page, site, frozen, kinds, downloads, tmp_path, monkeypatch):
    shutil.copy(frozen[2] / "model.onnx", tmp_path)
    by_python(tmp_path / "model.onnx", kinds / "colour.png", tmp_path / "expected.png", TILE // 2)
    model, whole = site.files["/model.js"], b"async function whole(lr, height, width) {"
    assert whole in model.content
    content = model.content.replace(whole, whole + b"if (height * width > 5000) throw new Error('bad_alloc');")
    monkeypatch.setitem(site.files, "/model.js", model._replace(content=content))
    monkeypatch.setitem(site.files, "/model/model.json", server.Answer("application/json", b'{"name": "m"}'))
    page.open(f"{site.url}?tile={TILE}")
    status = "document.getElementById('status')"
    hear = (
        f"said = []; new MutationObserver(() => said.push({status}.textContent)).observe({status}, {{childList: true}})"
    )
    page.run(f"{hear}; 0")
    check_equal(by_browser(page, downloads, kinds / "colour.png"), tmp_path / "expected.png")
    assert [line for line in page.run("said") if "memory" in line] == [
        "Out of memory: going on with parts of about 1600 pixels."
    ]


def test_threads_share_memory(page):
    assert page.run("crossOriginIsolated")


def test_by_keyboard_alone(page, kinds, downloads):
    page.send("Page.setInterceptFileChooserDialog", enabled=True)
    page.press("Tab")
    assert page.run("document.activeElement.id") == "file"
    assert page.run("getComputedStyle(document.getElementById('drop')).outlineStyle") == "solid"  # focus is seen
    page.press("Enter")
    chooser = page.event("Page.fileChooserOpened")
    page.send("DOM.setFileInputFiles", files=[str(kinds / "colour.png")], backendNodeId=chooser["backendNodeId"])
    page.until("!document.getElementById('result').hidden")
    assert "130 × 96 enlarged to 260 × 192" in page.run("document.getElementById('status').textContent")
    page.press("Tab")
    assert page.run("document.activeElement.id") == "divider"
    line = "parseFloat(getComputedStyle(document.getElementById('line')).left)"
    start = page.run(line)
    page.press("ArrowRight", "ArrowRight")
    assert page.run(line) == pytest.approx(start + 0.02 * 260, abs=0.5)
    page.press("Home")
    assert page.run(line) == 0
    page.press("Tab", "Space")
    assert page.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.press("Tab")
    assert page.run("document.activeElement.id") == "download"
    page.press("Enter")
    chromium.until((downloads / "colour-x2.png").exists)
    (downloads / "colour-x2.png").unlink()
    page.send("Page.setInterceptFileChooserDialog", enabled=False)


def test_dropped_and_pasted_files_are_taken(page):
    """The files are made in the page, as a browser makes those that are dropped."""
    for kind, event in (
        ("drop", "DragEvent('drop', {dataTransfer"),
        ("paste", "ClipboardEvent('paste', {clipboardData"),
    ):
        page.run(
            f"(() => {{ const given = new DataTransfer(); given.items.add(new File(['text'], '{kind}.png')); "
            f"document.body.dispatchEvent(new {event}: given, bubbles: true, cancelable: true}})); }})()"
        )
        page.until(f"document.getElementById('message').textContent.startsWith('{kind}.png: not an image')")


def test_a_narrow_page_is_not_scrolled_sideways(page, kinds, downloads):
    by_browser(page, downloads, kinds / "turned.jpg")
    page.look(320, 640, dark=True)
    for _ in range(2):  # as a whole, and at actual size
        assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.run("document.getElementById('zoom').click()")
    page.look(1000, 800, dark=False)


WRONG = {
    "text.png": lambda path: path.write_text("no image"),
    "empty.jpg": lambda path: path.write_bytes(b""),
    "moving.gif": lambda path: Image.new("L", (8, 8)).save(
        path, save_all=True, append_images=[Image.new("L", (8, 8), 9)]
    ),
    "cut.png": lambda path: path.write_bytes(_png()[:300]),
    "bomb.png": lambda path: path.write_bytes(_png(100_000)),
}


def _png(side: int = 0) -> bytes:
    """A photograph, or what says that it is of so many pixels."""
    made = io.BytesIO()
    Image.fromarray(photograph()).save(made, "PNG")
    content = made.getvalue()
    if side:
        head = b"IHDR" + struct.pack(">II", side, side) + content[24:29]
        content = content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]
    return content


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_named_on_the_page(page, tmp_path, kinds, name):
    WRONG[name](tmp_path / name)
    page.choose(tmp_path / name)
    page.until("!document.getElementById('message').hidden")
    assert page.run("document.getElementById('message').innerText").startswith(f"{name}: ")
    assert page.run("document.getElementById('message').role") == "alert"
    page.choose(kinds / "colour.png")  # and it goes on
    page.until("!document.getElementById('result').hidden")
    assert page.run("document.getElementById('message').hidden")


def test_cancel(page, tmp_path, kinds):
    Image.fromarray(photograph(400, 350)).save(tmp_path / "large.png")
    page.choose(tmp_path / "large.png")
    page.until("document.getElementById('progress').value > 0")
    page.run("document.getElementById('cancel').click()")
    assert page.run("document.getElementById('status').textContent") == "large.png: cancelled"
    assert page.run("document.getElementById('work').hidden && document.getElementById('result').hidden")
    assert page.run("document.activeElement.id") == "file"
    page.choose(kinds / "colour.png")
    page.until("!document.getElementById('result').hidden")


def test_a_model_that_cannot_be_loaded_is_named(page, site, monkeypatch):
    monkeypatch.setitem(site.files, "/model/model.onnx", server.Answer("application/octet-stream", b"none"))
    page.open(site.url)
    page.until("!document.getElementById('message').hidden")
    assert "model cannot be loaded" in page.run("document.getElementById('message').innerText")
