"""How the page cuts images into parts, run by Node: whatever the parts are, the result is that of the whole image."""

import json
import shutil
import subprocess

import pytest
from conftest import ROOT

SCRIPT = """
const { enlarge } = await import(process.argv[1]);
const { width, height, pixels, overlap, grid, fixed } = JSON.parse(process.argv[2]);
const rgba = new Uint8ClampedArray(4 * width * height);
for (let i = 0; i < width * height; i++) rgba.set([i % width, Math.floor(i / width), (i * 37) % 256, 255], 4 * i);
const image = { width, height, rgba };
const sizes = [];

// Twice as large: each pixel the mean of the one and those that lie `overlap` pixels to its left and below, if any.
async function whole(lr, high, wide) {
  sizes.push([Math.round(lr[0] * 255), Math.round(lr[high * wide] * 255), wide, high]);
  const sr = new Float32Array(12 * high * wide);
  for (let c = 0; c < 3; c++) for (let y = 0; y < 2 * high; y++) for (let x = 0; x < 2 * wide; x++) {
    const at = (v, u) => (u < 0 || v >= high ? 0 : lr[(c * high + v) * wide + u]);
    const [v, u] = [y >> 1, x >> 1];
    sr[(c * 2 * high + y) * 2 * wide + x] = (at(v, u) + at(v, u - overlap) + at(v + overlap, u)) / 3;
  }
  return sr;
}

async function made(pixels, fixed) {
  const rows = [];
  const model = { whole, scale: 2, overlap, grid, fixed, stages: () => null };
  const sink = { begin() { rows.length = 0; }, rows: (levels) => levels.forEach((level) => rows.push(level)) };
  let share = 0;
  await enlarge(image, model, pixels, sink, { progress: (done) => (share = done), shrunk() {} });
  if (share !== 1) throw new Error("not to its end");
  return rows;
}

const expected = await made(1e9, 0);
sizes.length = 0;
const given = await made(pixels, fixed);
console.log(JSON.stringify({ equal: given.every((level, i) => level === expected[i]), sizes }));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no Node")
@pytest.mark.parametrize("grid", [1, 6])
@pytest.mark.parametrize(("width", "height"), [(40, 50), (64, 64), (100, 70), (65, 200), (131, 128)])
def test_parts_give_what_the_whole_gives(width, height, grid):
    """Parts of a fixed size are all of one size; they begin where the network's grid does."""
    for fixed in (0, 64):
        case = {"width": width, "height": height, "pixels": 1500, "overlap": 7, "grid": grid, "fixed": fixed}
        line = ["node", "--input-type=module", "-e", SCRIPT, str(ROOT / "export/web/page/tiles.js"), json.dumps(case)]
        made = json.loads(subprocess.run(line, capture_output=True, check=True, text=True).stdout)
        assert made["equal"]
        assert all(left % grid == 0 and top % grid == 0 for left, top, _, _ in made["sizes"])
        if fixed:
            [(wide, high)] = {(wide, high) for _, _, wide, high in made["sizes"]}
            assert wide in (width, *range(59, 65))
            assert high in (height, *range(59, 65))
