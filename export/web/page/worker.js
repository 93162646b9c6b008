// Enlarges photographs off the page's own thread, which stays free for who uses the page.

import { Bicubic } from "./bicubic.js";
import { loadModel } from "./model.js";
import { decode, Wrong } from "./picture.js";
import { PngWriter } from "./png.js";
import { sweep } from "./rows.js";
import { enlarge, PIXELS } from "./tiles.js";

/** Pixels of a picture that is shown; larger ones are shown reduced. */
const SHOWN = 16 * 2 ** 20;

/** Pixels of a part that memory sufficed for, once it did not for more. */
let fitting = Infinity;

const model = loadModel();
model.then(
  ({ name, scale, card }) => postMessage({ kind: "ready", name, scale, card }),
  (error) => postMessage({ kind: "wrong", text: `The model cannot be loaded (${error.message ?? error}).` }),
);
sweep().catch(() => {});

onmessage = async ({ data: { file, tile } }) => {
  try {
    await work(file, tile);
  } catch (error) {
    const why = `${file.name}: could not be enlarged (${error?.message ?? error}).`;
    postMessage({ kind: "wrong", text: error instanceof Wrong ? error.message : why });
  }
};

async function work(file, tile) {
  const start = performance.now();
  const image = await decode(file);
  const loaded = await model;
  const [width, height] = [image.width * loaded.scale, image.height * loaded.scale];
  const sink = new Sink(image, loaded.scale);
  await enlarge(image, loaded, Math.min(tile ** 2 || PIXELS, fitting), sink, {
    progress: (share) => postMessage({ kind: "progress", share }),
    shrunk(pixels) {
      fitting = pixels;
      postMessage({ kind: "shrunk", pixels });
    },
  });
  const blob = await sink.png.end();
  const before = new Shown(image.width, image.height);
  before.add(image.rgba, 4);
  const seconds = (performance.now() - start) / 1000;
  const [was, is] = [before.image, sink.shown.image];
  const from = { width: image.width, height: image.height };
  postMessage({ kind: "done", blob, was, is, width, height, from, seconds }, [was.data.buffer, is.data.buffer]);
}

/** Where enlarged rows go: into a PNG file and into what is shown. */
class Sink {
  constructor(image, scale) {
    [this.width, this.height] = [image.width * scale, image.height * scale];
    [this.gray, this.channels] = [image.gray, (image.gray ? 1 : 3) + (image.transparent ? 1 : 0)];
    if (image.transparent) {
      const levels = Uint8Array.from({ length: image.width * image.height }, (_, i) => image.rgba[4 * i + 3]);
      this.alpha = new Bicubic(levels, image.width, image.height, scale);
    }
  }

  begin() {
    this.png = new PngWriter(this.width, this.height, this.channels);
    this.shown = new Shown(this.width, this.height);
    this.done = 0;
  }

  async rows(rgb) {
    const count = rgb.length / 3 / this.width;
    const made = new Uint8Array(count * this.width * this.channels);
    for (let y = 0, from = 0, to = 0; y < count; y++) {
      const alpha = this.alpha?.row(this.done + y);
      for (let x = 0; x < this.width; x++, from += 3) {
        if (this.gray) made[to++] = luma(rgb[from], rgb[from + 1], rgb[from + 2]);
        else for (let channel = 0; channel < 3; channel++) made[to++] = rgb[from + channel];
        if (alpha) made[to++] = alpha[x];
      }
    }
    this.done += count;
    this.shown.add(made, this.channels);
    await this.png.write(made);
  }
}

/** Gray of a colour, as Pillow counts it. */
function luma(red, green, blue) {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

/** A picture to be shown, made of rows; every n-th pixel of every n-th row of a large one. */
class Shown {
  constructor(width, height) {
    [this.width, this.step, this.done] = [width, Math.ceil(Math.sqrt((width * height) / SHOWN)), 0];
    this.image = new ImageData(Math.ceil(width / this.step), Math.ceil(height / this.step));
  }

  add(levels, channels) {
    const colours = channels > 2 ? [0, 1, 2] : [0, 0, 0];
    const opaque = channels % 2 === 1;
    const rows = levels.length / channels / this.width;
    for (let y = 0; y < rows; y++, this.done++) {
      if (this.done % this.step) continue;
      let to = (4 * this.image.width * this.done) / this.step;
      for (let x = 0; x < this.width; x += this.step) {
        const from = (y * this.width + x) * channels;
        for (const channel of colours) this.image.data[to++] = levels[from + channel];
        this.image.data[to++] = opaque ? 255 : levels[from + channels - 1];
      }
    }
  }
}
