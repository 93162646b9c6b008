// What lies under transparent pixels, as the Python kits have it (`kit/transparency.py`).

const REACH = 16;

/**
 * Bleeds visible colours outward under transparent pixels, in place: what lies there is arbitrary, black most often, and
 * would be mixed into the edge of what is visible.
 *
 * @param {Uint8ClampedArray} rgba
 */
export function bleed(rgba, width, height) {
  const known = new Uint8Array(width * height);
  const mean = [0, 0, 0];
  let seen = 0;
  for (let i = 0; i < known.length; i++) {
    if (!rgba[4 * i + 3]) continue;
    known[i] = 1;
    seen++;
    for (let c = 0; c < 3; c++) mean[c] += rgba[4 * i + c];
  }
  if (!seen || seen === known.length) return;
  let hidden = [];
  for (let i = 0; i < known.length; i++) if (!known[i]) hidden.push(i);
  for (let pass = 0; pass < REACH && hidden.length; pass++) {
    const reached = [];
    const left = [];
    for (const i of hidden) {
      const colour = around(rgba, known, width, height, i);
      if (colour) reached.push([i, colour]);
      else left.push(i);
    }
    if (!reached.length) break;
    for (const [i, colour] of reached) {
      known[i] = 1;
      rgba.set(colour, 4 * i);
    }
    hidden = left;
  }
  const rest = mean.map((sum) => Math.round(sum / seen));
  for (const i of hidden) rgba.set(rest, 4 * i);
}

/** The mean colour of a pixel's known neighbours; null where it has none. */
function around(rgba, known, width, height, i) {
  const [y, x] = [Math.floor(i / width), i % width];
  const sum = [0, 0, 0];
  let count = 0;
  for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
    for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
      const at = v * width + u;
      if (!known[at]) continue;
      count++;
      for (let c = 0; c < 3; c++) sum[c] += rgba[4 * at + c];
    }
  }
  return count ? sum.map((each) => Math.round(each / count)) : null;
}
