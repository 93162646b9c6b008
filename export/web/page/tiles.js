// Enlarges images of any size in bounded memory, part by part: srnas_tf/kit/tiles.py says how, in Python.
//
// A network in stages gives what it gives for the whole image at once: each stage is run on all parts, and what the
// stages hand on lies in `Rows`. Any other model enlarges parts that overlap.

import { rowsOf } from "./rows.js";

/**
 * How many pixels of the small image are enlarged at a time, unless the caller says otherwise. Larger parts overlap less,
 * and take more memory: 64 channels of 512 x 512 pixels are 64 MiB.
 */
export const PIXELS = (globalThis.navigator?.deviceMemory ?? 4) >= 8 ? 512 * 512 : 256 * 256;

/** Where not even this many fit into memory, there is no going on. */
const FEWEST = 32 * 32;

/** The fewest rows of a part of a wide image. */
const ROWS = 64;

const UNIT = Float32Array.from({ length: 256 }, (_, level) => level / 255);

/**
 * Enlarges an image; where memory runs out, in smaller parts.
 *
 * @param {{width: number, height: number, rgba: Uint8ClampedArray}} image
 * @param {object} model `whole(lr, height, width)`: float32 [3, height, width] in 0..1 -> the same enlarged; `scale`;
 *     `overlap` and `grid`: how many pixels a part sees beyond itself, and what parts begin at multiples of;
 *     `stages()`: the same in stages, `{run, reaches, channels, grid}`, or null; `fixed`: side of the squares that
 *     it is given, 0 where it takes any size.
 * @param {number} pixels how many to enlarge at a time, unless the size is fixed.
 * @param {object} sink `begin()` is called first, and again where all begins anew; `rows(levels)` takes Uint8 RGB rows,
 *     top to bottom.
 * @param {{progress: function(number), shrunk: function(number)}} tell what share is done; to how many pixels memory
 *     made the parts shrink.
 */
export async function enlarge(image, model, pixels, sink, tell) {
  for (;;) {
    try {
      await sink.begin();
      const stages = image.width * image.height > pixels ? await model.stages() : null;
      await (stages ? inStages : overlapping)(image, stages ?? model, model.scale, pixels, sink, tell.progress);
      return;
    } catch (error) {
      if (model.fixed || !isOutOfMemory(error)) throw error;
      if (pixels / 4 < FEWEST) throw new Error(`too little memory for parts of ${pixels} pixels`);
      pixels = Math.floor(Math.min(pixels, image.width * image.height) / 4);
      tell.shrunk(pixels);
    }
  }
}

function isOutOfMemory(error) {
  const words = ["out of memory", "bad_alloc", "bad allocation", "failed to allocate", "allocation failed", "array length"];
  const said = String(error?.message ?? error).toLowerCase();
  return words.some((each) => said.includes(each));
}

/** A part of the image, float32 [3, bottom - top, right - left]. */
function floats(image, top, bottom, left, right) {
  const [height, width] = [bottom - top, right - left];
  const made = new Float32Array(3 * height * width);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = 4 * ((top + y) * image.width + left); x < width; x++, to++, from += 4) {
      for (let channel = 0; channel < 3; channel++) {
        made[channel * height * width + to] = UNIT[image.rgba[from + channel]];
      }
    }
  }
  return made;
}

/** Writes float [3, height, width] as levels into rows of RGB that are `whole` wide; the array clips and rounds. */
function paste(sr, levels, height, width, left, whole) {
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, to = 3 * (y * whole + left); x < width; x++, from++, to += 3) {
      for (let channel = 0; channel < 3; channel++) {
        levels[to + channel] = sr[channel * height * width + from] * 255;
      }
    }
  }
}

/** An axis in parts of at most that size, as equal as they can be: [start, stop] each. */
function parts(size, part) {
  const count = Math.ceil(size / Math.max(1, part));
  const ends = Array.from({ length: count + 1 }, (_, i) => Math.floor((size * i) / count));
  return ends.slice(1).map((end, i) => [ends[i], end]);
}

/**
 * An axis in parts, each with the pixels that it is seen through: own [start, stop] within [from, from + seen].
 *
 * @param {{overlap: number, grid: number, fixed: number}} model where `fixed` is not 0, `seen` is one number for all parts.
 */
function windows(size, part, { overlap, grid, fixed }) {
  if (!fixed) {
    return parts(size, part).map(([start, stop]) => {
      const from = start - beforeOf(start, overlap, grid);
      return { start, stop, from, seen: Math.min(size, stop + overlap) - from };
    });
  }
  // The last one ends with the axis, and begins at the grid, too.
  const seen = size > fixed ? fixed - (((fixed - size) % grid) + grid) % grid : size;
  const own = size > seen ? seen - 2 * (overlap + grid - 1) : size;
  return parts(size, own).map(([start, stop]) => {
    return { start, stop, from: Math.min(start - beforeOf(start, overlap, grid), size - seen), seen };
  });
}

async function overlapping(image, model, scale, pixels, sink, progress) {
  const { width, height } = image;
  const side = Math.max(1, Math.round(Math.sqrt(pixels)));
  const columns = Math.min(width, Math.max(side, Math.floor(pixels / height)));
  const bands = windows(height, Math.max(1, Math.floor(pixels / columns)), model);
  const across = windows(width, columns, model);
  let done = 0;
  for (const y of bands) {
    const high = (y.stop - y.start) * scale;
    const levels = new Uint8ClampedArray(high * width * scale * 3);
    for (const x of across) {
      const wide = (x.stop - x.start) * scale;
      const lr = floats(image, y.from, y.from + y.seen, x.from, x.from + x.seen);
      const sr = await model.whole(lr, y.seen, x.seen);
      const inner = cut(sr, 3, y.seen * scale, x.seen * scale, (y.start - y.from) * scale, high,
        (x.start - x.from) * scale, wide);
      paste(inner, levels, high, wide, x.start * scale, width * scale);
      progress(++done / (bands.length * across.length));
    }
    await sink.rows(levels);
  }
}

/** A window of [channels, height, width]. */
function cut(values, channels, height, width, top, rows, left, columns) {
  const made = new values.constructor(channels * rows * columns);
  for (let channel = 0, to = 0; channel < channels; channel++) {
    for (let y = top; y < top + rows; y++, to += columns) {
      const from = (channel * height + y) * width + left;
      made.set(values.subarray(from, from + columns), to);
    }
  }
  return made;
}

async function inStages(image, stages, scale, pixels, sink, progress) {
  const { width, height } = image;
  const rows = Math.min(height, Math.max(ROWS, Math.floor(pixels / width)));
  const across = parts(width, Math.max(1, Math.floor(pixels / rows)));
  const source = new Source(image);
  const maps = [];
  try {
    for (const channels of stages.channels) maps.push(await rowsOf(height, width, channels));
    let moments = new Float32Array(2 * stages.channels.at(-1));
    const last = stages.reaches.length - 1;
    const steps = stages.reaches.length * parts(height, rows).length * across.length;
    let done = 0;
    for (const [stage, reach] of stages.reaches.entries()) {
      const seen = stage === 0 ? [source] : stage === last ? [...maps, source] : maps;
      const total = new Moments(moments.length);
      for (const { top, bottom, above, count, bands } of bandsOf(seen, height, rows, reach, stages.grid)) {
        const high = bottom - top;
        const levels = stage === last ? new Uint8ClampedArray(high * width * scale * scale * 3) : null;
        const joined = stage === last ? [] : maps.map((map) => map.room(high));
        for (const [left, right] of across) {
          const [before, after] = [beforeOf(left, reach, stages.grid), Math.min(reach, width - right)];
          const wide = right - left + before + after;
          const own = { top: above, rows: high, left: before, columns: right - left };
          const given = seen.map((map, i) => ({
            data: columnsOf(bands[i], map, count, left - before, wide),
            dims: [1, map.channels, count, wide],
          }));
          const made = await stages.run(stage, given, moments, maskOf(own, count, wide));
          total.add(made.moments, high * (right - left));
          if (stage === last) {
            const sr = cut(made.maps[0], 3, count * scale, wide * scale, above * scale, high * scale, before * scale,
              (right - left) * scale);
            paste(sr, levels, high * scale, (right - left) * scale, left * scale, width * scale);
          } else {
            made.maps.forEach((part, i) => pasteColumns(part, joined[i], maps[i], own, count, wide, left));
          }
          progress(++done / steps);
        }
        if (stage === last) await sink.rows(levels);
        else joined.forEach((values, i) => maps[i].write(top, values));
      }
      moments = total.moments();
    }
  } finally {
    await Promise.all(maps.map((map) => map.close()));
  }
}

/** How many pixels before its first a part sees: those that it looks at, from the beginning of their group on. */
function beforeOf(start, reach, grid) {
  return start - Math.floor(Math.max(0, start - reach) / grid) * grid;
}

/** The image's rows as float32 [channels, width] each, as `Rows` gives those of a map. */
class Source {
  constructor(image) {
    [this.image, this.channels, this.width] = [image, 3, image.width];
  }

  room(count) {
    return new Float32Array(count * 3 * this.width);
  }

  read(start, stop, values, offset) {
    for (let y = start; y < stop; y++, offset += 3 * this.width) {
      values.set(floats(this.image, y, y + 1, 0, this.width), offset);
    }
  }
}

/**
 * Rows top to bottom with as many around them as a stage looks at.
 *
 * A band's rows may be overwritten before the next one is asked for: what that needs of them is kept.
 */
function* bandsOf(seen, height, rows, reach, grid) {
  let kept = seen.map((map) => map.room(0));
  let above = 0;
  for (const [top, bottom] of parts(height, rows)) {
    const below = Math.min(height, bottom + reach);
    const count = above + below - top;
    const bands = seen.map((map, i) => {
      const band = map.room(count);
      band.set(kept[i]);
      map.read(top, below, band, kept[i].length);
      return band;
    });
    yield { top, bottom, above, count, bands };
    const end = above + bottom - top;
    const next = beforeOf(bottom, reach, grid);
    kept = bands.map((band, i) => {
      const row = seen[i].channels * seen[i].width;
      return band.slice((end - next) * row, end * row);
    });
    above = next;
  }
}

/** Columns of a band of rows [count, channels, width] as [channels, count, columns]. */
function columnsOf(band, { channels, width }, count, left, columns) {
  const made = new band.constructor(channels * count * columns);
  for (let channel = 0, to = 0; channel < channels; channel++) {
    for (let y = 0; y < count; y++, to += columns) {
      const from = (y * channels + channel) * width + left;
      made.set(band.subarray(from, from + columns), to);
    }
  }
  return made;
}

/** The other way round: what is a part's own of [channels, count, wide] into the columns of rows, from `left` on. */
function pasteColumns(part, rows, { channels, width }, own, count, wide, left) {
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < own.rows; y++) {
      const from = (channel * count + own.top + y) * wide + own.left;
      rows.set(part.subarray(from, from + own.columns), (y * channels + channel) * width + left);
    }
  }
}

/** 1 where a pixel is a part's own, 0 where it was added for what a stage looks at: [1, 1, height, width]. */
function maskOf({ top, rows, left, columns }, height, width) {
  const data = new Float32Array(height * width);
  for (let y = top; y < top + rows; y++) data.fill(1, y * width + left, y * width + left + columns);
  return { data, dims: [1, 1, height, width] };
}

/** Mean and variance of all pixels, from those of its parts. */
class Moments {
  constructor(size) {
    this.count = 0;
    this.means = new Float64Array(size / 2);
    this.squares = new Float64Array(size / 2);
  }

  add(moments, count) {
    const whole = this.count + count;
    const size = this.means.length;
    for (let i = 0; i < size; i++) {
      const step = moments[i] - this.means[i];
      this.means[i] += (step * count) / whole;
      this.squares[i] += moments[size + i] * count + (step * step * this.count * count) / whole;
    }
    this.count = whole;
  }

  moments() {
    return Float32Array.of(...this.means, ...this.squares.map((sum) => sum / Math.max(1, this.count)));
  }
}
