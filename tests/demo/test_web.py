"""The page of export/web in a real browser: what comes out of it is what the Python kit makes."""

import io
import shutil
import struct
import threading
import time
import zipfile
import zlib
from pathlib import Path

import axe
import chromium
import numpy as np
import pytest
from PIL import Image, ImageOps
from the_page import (
    ENDED,
    READY,
    STATES,
    TILE,
    by_browser,
    by_python,
    check_equal,
    download,
    downloaded,
    one_model,
    photograph,
    served,
)  # fmt: skip
from the_page import browser as browser  # fixtures
from the_page import downloads as downloads
from the_page import site as site

from srnas_tf import models
from srnas_tf.demo import bundle, server

pytestmark = pytest.mark.skipif(not chromium.find(), reason="no Chromium")


@pytest.fixture
def page(browser, site):
    browser.open(f"{site.url}?tile={TILE}")
    browser.until(READY)
    yield browser
    assert browser.complaints() == []


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


@pytest.mark.parametrize("name", ["colour.png", "gray.png", "transparent.png", "cut-out.png", "turned.jpg"])
def test_the_page_makes_what_the_python_kit_makes(page, kinds, downloads, name):
    made = by_browser(page, downloads, kinds / name)
    assert made.shape[:2] == ((260, 192) if name == "turned.jpg" else (192, 260))
    check_equal(made, (kinds / "out" / name).with_suffix(".png"))


def test_what_lies_between_the_stages_may_lie_on_disk(page, site, kinds, downloads, monkeypatch):
    served(site, monkeypatch, "/rows.js", b"256 * 2 ** 20", b"0")
    served(site, monkeypatch, "/rows.js", b"new InMemory", b"nothing")
    page.open(f"{site.url}?tile={TILE}")
    check_equal(by_browser(page, downloads, kinds / "colour.png"), kinds / "out" / "colour.png")
    kept = "(async () => { for await (const _ of (await navigator.storage.getDirectory()).keys()) return 1 })()"
    assert page.run(kept) is None


def test_models_without_stages_enlarge_parts_that_overlap(page, site, frozen, kinds, downloads, tmp_path, monkeypatch):
    shutil.copy(frozen[2] / "model.onnx", tmp_path)
    by_python(tmp_path / "model.onnx", kinds / "colour.png", tmp_path / "expected.png")
    one_model(site, monkeypatch, stages=None, scale=None)
    page.open(f"{site.url}?tile={TILE}")
    check_equal(by_browser(page, downloads, kinds / "colour.png"), tmp_path / "expected.png")


@pytest.fixture(scope="module")
def packaged(site, tmp_path_factory):
    """The page with the networks of the package: its files."""
    folder = tmp_path_factory.mktemp("packaged") / "demo"
    bundle.build([bundle.Model(path, name, name) for name, path in models.all_onnx().items()], folder, "x4")
    return server.files_of(folder)


def test_the_networks_of_the_package_and_their_cards(browser, site, packaged, kinds, downloads, tmp_path, monkeypatch):
    """One page has them all; in parts each gives what it gives for the whole image."""
    monkeypatch.setattr(site, "files", packaged)
    browser.open(f"{site.url}?tile={TILE}")
    browser.until(READY)
    names = "[...document.getElementById('network').options].map((option) => option.text).join(' ')"
    assert {"×2", "×3", "×4"} <= set(browser.run(names).split())
    for scale, index in ((4, models.names().index("x4")), (2, models.names().index("x2"))):
        by_python(models.onnx(scale), kinds / "colour.png", tmp_path / f"{scale}.png", 4 * TILE)
        select = f"network.value = {index}; network.dispatchEvent(new Event('change'))"
        browser.run(f"(() => {{ const network = document.getElementById('network'); {select} }})()")
        browser.until(f"document.getElementById('about').textContent.includes('{scale} times')")
        browser.choose(kinds / "colour.png")
        browser.until("document.body.className === 'done'")
        check_equal(downloaded(browser, downloads / f"colour-x{scale}.png"), tmp_path / f"{scale}.png")
        browser.run("document.querySelector('.item button:last-of-type').click()")
    browser.run("document.getElementById('card').click()")
    browser.until("location.pathname === '/card.html' && document.querySelector('h2') !== null")
    assert "x2:w64" in browser.run("document.querySelector('h1').textContent")
    text = browser.run("document.getElementById('text').textContent")
    assert "For research" in text
    assert "pipeline_tag" not in text
    assert "**" not in text
    assert browser.run("document.querySelectorAll('table tbody tr').length") >= 2
    for dark in (False, True):
        browser.look(1000, 800, dark)
        assert axe.violations(browser) == []
    browser.look(320, 640, dark=False)
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    browser.look(1000, 800, dark=False)
    browser.run("document.getElementById('back').click()")
    browser.until("location.search === '?model=x2' && document.getElementById('network')?.selectedIndex === 0")
    assert browser.complaints() == []


def test_where_memory_runs_out_parts_become_smaller(page, site, frozen, kinds, downloads, tmp_path, monkeypatch):
    shutil.copy(frozen[2] / "model.onnx", tmp_path)
    by_python(tmp_path / "model.onnx", kinds / "colour.png", tmp_path / "expected.png", TILE // 2)
    whole = b"async function whole(lr, height, width) {"
    served(site, monkeypatch, "/model.js", whole, whole + b"if (height * width > 5000) throw new Error('bad_alloc');")
    one_model(site, monkeypatch, stages=None)
    page.open(f"{site.url}?tile={TILE}")
    hear_status(page)
    check_equal(by_browser(page, downloads, kinds / "colour.png"), tmp_path / "expected.png")
    assert [line for line in page.run("said") if "memory" in line] == [
        "Out of memory: continuing with tiles of about 1600 pixels."
    ]


def hear_status(page) -> None:
    """Collects in `said` what the page tells of its state from now on."""
    status = "document.getElementById('status')"
    hear = f"new MutationObserver(() => said.push({status}.textContent)).observe({status}, {{childList: true}})"
    page.run(f"said = []; {hear}; 0")


def test_threads_share_memory(page):
    assert page.run("crossOriginIsolated")


def test_by_keyboard_alone(page, kinds, downloads):
    page.send("Page.setInterceptFileChooserDialog", enabled=True)
    page.press("Tab")
    assert page.run("document.activeElement.id") == "network"
    page.press("Tab")
    if page.run("document.activeElement.id") == "card":
        page.press("Tab")
    assert page.run("document.activeElement.id") == "file"
    assert page.run("getComputedStyle(document.getElementById('drop')).outlineStyle") == "solid"  # focus is seen
    page.press("Enter")
    chooser = page.event("Page.fileChooserOpened")
    page.send("DOM.setFileInputFiles", files=[str(kinds / "colour.png")], backendNodeId=chooser["backendNodeId"])
    page.until("!document.getElementById('result').hidden && document.getElementById('stage').offsetWidth > 0")
    assert "130 × 96 enlarged to 260 × 192" in page.run("document.getElementById('status').textContent")
    for name in ("Show colour.png", "Remove colour.png"):
        page.press("Tab")
        assert page.run("document.activeElement.getAttribute('aria-label')") == name
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
    for _ in ("format", "download"):
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
        said = "document.querySelector('.item:last-child .message')?.textContent"
        page.until(f"{said}.startsWith('{kind}.png: is not an image')")


def test_several_files_wait_in_a_queue_and_come_as_one_download(page, kinds, downloads, tmp_path):
    """Whatever is given meanwhile waits, too; each has a bar of its own; files of one name stay apart."""
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "more").mkdir()
    shutil.copy(kinds / "gray.png", tmp_path / "more" / "colour.png")
    Image.fromarray(photograph(300, 250)).save(tmp_path / "large.png")
    page.choose(tmp_path / "large.png")
    page.choose(kinds / "colour.png", tmp_path / "text.png", tmp_path / "more" / "colour.png")  # while it is busy
    assert page.run(STATES) == "busy waiting waiting waiting"
    bar = "document.querySelector('.item[data-state=busy] progress')"
    assert page.run(f"{bar}.getAttribute('aria-label')") == "Progress of large.png"
    page.until(f"{bar} === null || {bar}.value > 0")
    page.until(f"{STATES} === 'done done wrong done'")
    assert page.run("document.getElementById('download').textContent") == "Download 3 as ZIP"
    content = download(page, downloads / "enlarged.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["large-x2.png", "colour-x2.png", "colour-x2 (2).png"]
        for name, kind in (("colour-x2.png", "colour"), ("colour-x2 (2).png", "gray")):
            with Image.open(archive.open(name)) as image:
                check_equal(np.asarray(image), kinds / "out" / f"{kind}.png")
    shown = "document.querySelectorAll('.item')[{}].querySelector('[aria-pressed=true]') !== null"
    assert page.run(shown.format(0))
    page.run("document.querySelectorAll('.item button')[2].click()")
    page.until(shown.format(1))
    page.run("document.querySelectorAll('.item')[1].querySelector('button:last-of-type').click()")
    assert page.run(STATES) == "done wrong done"
    page.until(shown.format(0))  # something is always shown


def test_a_format_and_its_quality(page, kinds, downloads):
    page.choose(kinds / "transparent.png")
    page.until(ENDED)
    assert page.run("document.getElementById('how-good').hidden")  # PNG is without loss
    sizes = {}
    with Image.open(kinds / "out" / "transparent.png") as image:
        seen = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        expected = {"jpg": (np.asarray(seen), "JPEG"), "webp": (np.asarray(image), "WEBP")}
    for index, suffix in ((1, "jpg"), (2, "webp")):
        for quality in (60, 100):
            page.run(f"""(() => {{ const format = document.getElementById('format');
                format.value = {index}; format.dispatchEvent(new Event('change'));
                const quality = document.getElementById('quality');
                quality.value = {quality}; quality.dispatchEvent(new Event('input')); }})()""")
            assert not page.run("document.getElementById('how-good').hidden")
            assert page.run("document.getElementById('quality-shown').textContent") == str(quality)
            content = download(page, downloads / f"transparent-x2.{suffix}")
            sizes[suffix, quality] = len(content)
        wanted, name = expected[suffix]
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == name
            made = np.asarray(image)
        solid = wanted[..., -1] == 255 if wanted.shape[-1] == 4 else np.ones(wanted.shape[:2], bool)
        assert np.abs(made[solid].astype(int) - wanted[solid]).mean() < 4
    assert sizes["jpg", 60] < sizes["jpg", 100]
    assert sizes["webp", 60] < sizes["webp", 100]


def test_actual_size_shows_every_pixel_of_a_large_picture(page, site, kinds, downloads, monkeypatch):
    """As a whole it is shown reduced; the limit is lowered here."""
    served(site, monkeypatch, "/viewer.js", b"4 * 2 ** 20", b"5000")
    page.open(f"{site.url}?tile={TILE}")
    page.look(220, 500, dark=False)
    made = by_browser(page, downloads, kinds / "transparent.png")
    size = "(() => { const {width, height} = document.getElementById('after'); return [width, height] })()"
    assert page.run(size) == [65, 48]
    page.run("document.getElementById('zoom').click()")
    page.until(f"({size})[0] > 65")
    for left, top in ((0, 0), (200, 60)):
        page.run(f"document.getElementById('frame').scrollTo({left}, {top})")
        time.sleep(0.3)  # it is drawn once more where it is scrolled
        seen = page.run("""(() => { const canvas = document.getElementById('after');
            const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            const at = (side) => Math.round(parseFloat(canvas.style[side]) * devicePixelRatio);
            return [at('left'), at('top'), canvas.width, canvas.height, [...data]] })()""")
        x, y, width, height, data = seen
        assert page.run("document.getElementById('frame').scrollLeft") >= x
        shown = np.array(data).reshape(height, width, 4)
        wanted = made[y : y + height, x : x + width]
        solid = wanted[..., 3] == 255
        assert solid.any()
        np.testing.assert_array_equal(shown[solid], wanted[solid])
    page.look(1000, 800, dark=False)


def test_nothing_keeps_anybody_out(page, kinds, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    assert axe.violations(page) == []
    page.choose(kinds / "colour.png", tmp_path / "text.png")
    page.until("document.querySelector('.item .message') !== null && document.body.className === 'done'")
    for dark, width in ((False, 1000), (True, 1000), (False, 320)):
        page.look(width, 800, dark)
        assert axe.violations(page) == []
        page.run("document.getElementById('zoom').click()")
    page.look(1000, 800, dark=False)


def test_it_can_be_installed_and_opens_without_network(browser, packaged, kinds, downloads):
    """All of it, networks that were never chosen among them; the server is gone."""
    with server.Server("127.0.0.1", 0) as listening:
        listening.files = packaged
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        browser.open(listening.url)
        browser.run("navigator.serviceWorker.ready.then(() => 0)")
        kept = "caches.keys().then(async (names) => (await (await caches.open(names[0])).keys()).length)"
        browser.until(f"({kept}).then((count) => count > 20)")
        errors = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert {error["errorId"] for error in errors} <= {"in-incognito"}
        url = listening.url
        listening.shutdown()
    browser.open(f"{url}?model=x3")
    browser.until(READY)
    made = by_browser(browser, downloads, kinds / "colour.png", 3)
    assert made.shape == (288, 390, 3)
    browser.open(f"{url}card.html?model=x3")
    browser.until("document.querySelector('h2') !== null")


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
    page.until("document.querySelector('.item .message') !== null")
    assert page.run("document.querySelector('.item .message').innerText").startswith(f"{name}: ")
    assert page.run("document.querySelector('.item .message').role") == "alert"
    page.choose(kinds / "colour.png")  # and it goes on
    page.until(f"{STATES} === 'wrong done'")


def test_cancel(page, tmp_path, kinds):
    Image.fromarray(photograph(400, 350)).save(tmp_path / "large.png")
    page.choose(tmp_path / "large.png")
    page.choose(kinds / "colour.png")
    page.until("document.querySelector('.item progress').value > 0")
    hear_status(page)
    page.run("document.querySelector('.item[data-state=busy] button:last-of-type').click()")
    assert page.run("said[0]") == "large.png: cancelled. colour.png: being enlarged"
    assert page.run("document.activeElement.id") == "file"
    page.until(f"{STATES} === 'done'")  # what waited is enlarged


def test_a_model_that_cannot_be_loaded_is_named(page, site, monkeypatch):
    monkeypatch.setitem(site.files, "/models/own/model.onnx", server.Answer("application/octet-stream", b"none"))
    page.open(site.url)
    page.until("!document.getElementById('message').hidden")
    assert "model cannot be loaded" in page.run("document.getElementById('message').innerText")
