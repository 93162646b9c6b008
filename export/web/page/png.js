// Writes PNG row by row: a canvas would lose colours under transparency, and ends at some size.

import { crc32 } from "./crc.js";

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const COLOUR_TYPES = { 1: 0, 2: 4, 3: 2, 4: 6 };
const PAETH = 4;

function chunk(type, data) {
  const made = new Uint8Array(data.length + 12);
  const view = new DataView(made.buffer);
  view.setUint32(0, data.length);
  made.set([...type].map((letter) => letter.charCodeAt(0)), 4);
  made.set(data, 8);
  view.setUint32(data.length + 8, crc32(made.subarray(4, data.length + 8)));
  return made;
}

export class PngWriter {
  /** An image of 8 bits a channel; 1 to 4 channels: gray, gray and alpha, RGB, RGB and alpha. */
  constructor(width, height, channels) {
    [this.row, this.channels] = [width * channels, channels];
    this.above = new Uint8Array(this.row);
    const header = new Uint8Array(13);
    const view = new DataView(header.buffer);
    view.setUint32(0, width);
    view.setUint32(4, height);
    header.set([8, COLOUR_TYPES[channels], 0, 0, 0], 8);
    this.pieces = [SIGNATURE, chunk("IHDR", header), chunk("sRGB", Uint8Array.of(0))];
    const squeeze = new CompressionStream("deflate");
    this.writer = squeeze.writable.getWriter();
    this.squeezed = this.collect(squeeze.readable);
    this.squeezed.catch(() => {}); // told by `write` or `end`
  }

  async collect(readable) {
    for await (const data of chunksOf(readable)) this.pieces.push(chunk("IDAT", data));
  }

  /** Adds rows, Uint8. */
  async write(levels) {
    const count = levels.length / this.row;
    const filtered = new Uint8Array(count * (this.row + 1));
    for (let y = 0, to = 0; y < count; y++) {
      const row = levels.subarray(y * this.row, (y + 1) * this.row);
      filtered[to++] = PAETH;
      for (let x = 0; x < this.row; x++) {
        const left = x < this.channels ? 0 : row[x - this.channels];
        const corner = x < this.channels ? 0 : this.above[x - this.channels];
        filtered[to++] = row[x] - nearest(left, this.above[x], corner);
      }
      this.above = row;
    }
    await this.writer.write(filtered);
  }

  /** The whole file. */
  async end() {
    await this.writer.close();
    await this.squeezed;
    return new Blob([...this.pieces, chunk("IEND", new Uint8Array(0))], { type: "image/png" });
  }
}

function nearest(left, above, corner) {
  const guess = left + above - corner;
  const [toLeft, toAbove, toCorner] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** A stream's chunks; not all browsers iterate streams. */
async function* chunksOf(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
