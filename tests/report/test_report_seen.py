"""The report in a real browser: what is seen of it, by whom, and what its controls do."""

import axe
import chromium
import numpy as np
import pytest
from test_report import rungs
from test_report import workdir as workdir  # fixtures
from the_page import browser as browser
from the_page import downloads as downloads

from srnas_tf.report import page
from srnas_tf.report.compare import Crop, Row, write_crops

pytestmark = pytest.mark.skipif(not chromium.find(), reason="no Chromium")


@pytest.fixture
def whole(workdir):
    """A workdir with something for every section, a crop that is smaller than others, and a search in rungs."""
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    crops = [Crop("original", image, None), Crop("bicubic", image // 2, 26.5), Crop("IMDN", image // 3, 27.0)]
    write_crops([Row("small", crops, image[:30, :40])], workdir / "compare")
    rungs(workdir / "search")
    page.write(workdir)
    return workdir


def opened(browser, whole, width: int, dark: bool) -> None:
    browser.look(width, 900, dark)
    browser.open((whole / "report.html").as_uri())
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true; 0")


def test_nothing_keeps_anybody_out_or_sticks_out(browser, whole):
    for width, dark in ((1280, False), (1280, True), (360, False)):
        opened(browser, whole, width, dark)
        assert axe.violations(browser) == []
        assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.complaints() == []


def test_crops_are_whole_multiples_and_any_two_are_compared(browser, whole):
    for width, times in ((1280, 4), (300, 2)):
        opened(browser, whole, width, False)
        browser.until("document.querySelector('.slide .pair')?.style.width !== ''")
        sizes = "[...document.querySelectorAll('.crop img')].map((image) => [image.width, image.height])"
        assert browser.run(sizes) == [[160, 120]] * 3
        assert browser.run("document.querySelector('.slide .pair img').width") == times * 80
    opened(browser, whole, 1280, False)
    shown = "[...document.querySelectorAll('.slide .pair img')].map((image) => image.src)"
    crops = browser.run("[...document.querySelectorAll('.crop img')].map((image) => image.src)")
    assert browser.run(shown) == [crops[2], crops[1]]  # right and left
    browser.run("""(() => { const [left, right] = document.querySelectorAll('.slide select');
        left.value = 0; left.dispatchEvent(new Event('input'));
        right.value = 1; right.dispatchEvent(new Event('input')); })()""")
    assert browser.run(shown) == [crops[1], crops[0]]
    assert browser.run("document.querySelector('.where img').alt").startswith("small, whole")


def test_the_front_is_coloured_by_what_networks_have_in_common(browser, whole):
    opened(browser, whole, 1280, False)
    asked = "[...document.querySelectorAll('.colours option')].map((option) => option.text)"
    keys = browser.run(asked)
    assert keys[0] == "the front"
    assert {"rung", "origin", "width", "depth"} <= set(keys)

    def by(key: str) -> list[str]:
        """Colours by a key; returns the legend."""
        browser.run(f"""(() => {{ const select = document.querySelector('.colours select');
            select.value = {keys.index(key)}; select.dispatchEvent(new Event('input')); }})()""")
        return browser.run("[...document.querySelectorAll('.colours li')].map((item) => item.textContent)")

    count = "document.querySelectorAll('.front .mark.by{}:not(.ring)').length"
    assert by("origin") == ["control: random", "predicted"]
    assert browser.run(count.format(0)) >= 4
    assert by("rung") == ["100 steps", "400 steps"]
    assert browser.run(count.format(1)) >= 3
    assert by("the front") == []
    assert browser.run(count.format(0)) == 0


def test_on_paper_everything_lies_open_and_controls_are_gone(browser, whole):
    opened(browser, whole, 700, False)
    browser.run("for (const each of document.querySelectorAll('details')) each.open = false; 0")
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("[...document.querySelectorAll('details')].every((details) => details.open)")
    hidden = "[...document.querySelectorAll('.slide, .colours label, nav')].every((each) => each.offsetHeight === 0)"
    assert browser.run(hidden)
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    browser.send("Emulation.setEmulatedMedia", media="")
