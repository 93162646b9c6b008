"""The page's rule for what lies under transparent pixels, run by Node: it is that of the kits."""

import shutil
import subprocess

import numpy as np
import pytest
from conftest import ROOT, photograph

from srnas_tf.kit import transparency

HEIGHT, WIDTH = 70, 90

SCRIPT = """
const { bleed } = await import(process.argv[1]);
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const rgba = new Uint8ClampedArray(Buffer.concat(chunks));
bleed(rgba, Number(process.argv[2]), Number(process.argv[3]));
process.stdout.write(Buffer.from(rgba.buffer));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no Node")
@pytest.mark.parametrize("seen", ["disc", "all", "none", "dust"])
def test_colours_are_bled_as_the_kits_do_it(seen):
    rng = np.random.default_rng(0)
    mask = {
        "disc": np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.array([30, 42])[:, None, None])) < 14,
        "all": np.ones((HEIGHT, WIDTH), bool),
        "none": np.zeros((HEIGHT, WIDTH), bool),
        "dust": rng.random((HEIGHT, WIDTH)) > 0.999,
    }[seen]
    alpha = np.where(mask, 200, 0).astype(np.uint8)[..., None]
    colours = photograph(rng, HEIGHT, WIDTH)
    pixels = np.where(alpha > 0, colours, rng.integers(0, 256, colours.shape)).astype(np.uint8)
    line = [
        "node",
        "--input-type=module",
        "-e",
        SCRIPT,
        str(ROOT / "export/web/page/alpha.js"),
        str(WIDTH),
        str(HEIGHT),
    ]
    done = subprocess.run(line, input=np.dstack([pixels, alpha]).tobytes(), capture_output=True, check=True)
    made = np.frombuffer(done.stdout, np.uint8).reshape(HEIGHT, WIDTH, 4)
    np.testing.assert_array_equal(made[..., 3:], alpha)
    assert np.abs(made[..., :3].astype(int) - transparency.bled(pixels, alpha)).max() <= 1
