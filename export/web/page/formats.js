// What pictures are saved as. A new format is an entry here, if the browser's canvas writes it.

import { bands, imageOf } from "./levels.js";
import { Wrong } from "./picture.js";
import { PngWriter } from "./png.js";

/**
 * `lossless`: it has no quality. `opaque`: it has no transparency, and white stands for it. `most`: pixels of a side.
 * `write(levels, quality)` gives the file.
 */
export const FORMATS = [
  { name: "PNG", suffix: ".png", lossless: true, write: png },
  { name: "JPEG", suffix: ".jpg", type: "image/jpeg", opaque: true, most: 65535, write: byCanvas },
  { name: "WebP", suffix: ".webp", type: "image/webp", most: 16383, write: byCanvas },
];

async function png(levels) {
  const writer = new PngWriter(levels.width, levels.height, levels.channels);
  for await (const { rows } of bands(levels)) await writer.write(rows);
  return writer.end();
}

async function byCanvas(levels, quality) {
  const { width, height } = levels;
  const tooLarge = () => new Wrong(`${width} × ${height} pixels are too many for ${this.name} here; choose PNG.`);
  if (Math.max(width, height) > this.most) throw tooLarge();
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: !this.opaque });
  if (!context) throw tooLarge();
  if (this.opaque) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
  }
  for await (const { top, count, rows } of bands(levels)) {
    const band = new OffscreenCanvas(width, count);
    band.getContext("2d").putImageData(imageOf(rows, levels, 0, width, count), 0, 0);
    context.drawImage(band, 0, top);
  }
  const blob = await canvas.convertToBlob({ type: this.type, quality }).catch(() => null);
  if (!blob) throw tooLarge();
  if (blob.type !== this.type) throw new Wrong(`This browser cannot write ${this.name}; choose another format.`);
  return blob;
}
