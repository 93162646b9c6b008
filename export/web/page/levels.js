// A picture as its levels: {blob, width, height, channels}, rows of Uint8, top to bottom; 1 to 4 channels are gray, gray
// and alpha, RGB, RGB and alpha. A browser keeps a large blob on disk, and reads any rows of it alone.

/** Rows that are read at a time. */
export const BAND = 256;

/** Makes such a picture of rows that come one after the other. */
export class Gatherer {
  constructor(width, height, channels) {
    [this.width, this.height, this.channels, this.pieces] = [width, height, channels, []];
  }

  /** Adds rows, Uint8. */
  add(rows) {
    this.pieces.push(new Blob([rows]));
  }

  end() {
    const { width, height, channels } = this;
    return { blob: new Blob(this.pieces), width, height, channels };
  }
}

/** Rows from `top` on, Uint8 [count, width, channels]. */
export async function rowsOf({ blob, width, channels }, top, count) {
  const row = width * channels;
  return new Uint8Array(await blob.slice(top * row, (top + count) * row).arrayBuffer());
}

/** All rows, a band at a time: {top, count, rows}. */
export async function* bands(levels) {
  for (let top = 0; top < levels.height; top += BAND) {
    const count = Math.min(BAND, levels.height - top);
    yield { top, count, rows: await rowsOf(levels, top, count) };
  }
}

/** A pixel's channels as red, green, blue and alpha; alpha -1 where it is opaque. */
function order(channels) {
  const colours = channels > 2 ? [0, 1, 2] : [0, 0, 0];
  return [...colours, channels % 2 ? -1 : channels - 1];
}

/** A window of rows as ImageData. */
export function imageOf(rows, { width, channels }, left, columns, count) {
  const image = new ImageData(columns, count);
  const [red, green, blue, alpha] = order(channels);
  for (let y = 0, to = 0; y < count; y++) {
    for (let from = (y * width + left) * channels, x = 0; x < columns; x++, from += channels) {
      image.data[to++] = rows[from + red];
      image.data[to++] = rows[from + green];
      image.data[to++] = rows[from + blue];
      image.data[to++] = alpha < 0 ? 255 : rows[from + alpha];
    }
  }
  return image;
}

/** A window of a picture as ImageData, pixel by pixel. */
export async function windowOf(levels, left, top, columns, count) {
  return imageOf(await rowsOf(levels, top, count), levels, left, columns, count);
}

/** A whole picture as ImageData of at most so many pixels: means of squares of pixels, where it has more. */
export async function reduced(levels, most) {
  const { width, height, channels } = levels;
  const step = Math.ceil(Math.sqrt((width * height) / most));
  const [columns, lines] = [Math.ceil(width / step), Math.ceil(height / step)];
  const image = new ImageData(columns, lines);
  const places = order(channels);
  for (let line = 0; line < lines; line++) {
    const count = Math.min(step, height - line * step);
    const rows = await rowsOf(levels, line * step, count);
    for (let column = 0; column < columns; column++) {
      const wide = Math.min(step, width - column * step);
      for (let i = 0; i < 4; i++) {
        let sum = 0;
        for (let y = 0; y < count && places[i] >= 0; y++) {
          const from = (y * width + column * step) * channels + places[i];
          for (let x = 0; x < wide; x++) sum += rows[from + x * channels];
        }
        image.data[4 * (line * columns + column) + i] = places[i] < 0 ? 255 : sum / (count * wide);
      }
    }
  }
  return image;
}
