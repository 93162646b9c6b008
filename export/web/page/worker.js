// Enlarges photographs off the page's own thread, which stays free for who uses the page.

import { byFirst } from "./backends.js";
import { Bicubic } from "./bicubic.js";
import { Gatherer } from "./levels.js";
import { loadModel } from "./model.js";
import { decode, Wrong } from "./picture.js";
import { sweep } from "./rows.js";
import { enlarge, PIXELS } from "./tiles.js";

/** Pixels of a part that memory sufficed for, once it did not for more. */
let fitting = Infinity;

/** The model that was used last: {network, backend, model}. */
let loaded = { model: null };

sweep().catch(() => {});

onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};

/** What is asked for is done one by one. */
let queue = Promise.resolve();

async function answer(asked) {
  const name = asked.file?.name;
  try {
    await tasks[asked.kind](asked);
  } catch (error) {
    const why = error?.message ?? error;
    if (asked.kind === "load") postMessage({ kind: "unusable", text: `The model cannot be loaded (${why}).` });
    else postMessage({ kind: "wrong", text: error instanceof Wrong ? why : `${name}: could not be enlarged (${why}).` });
  }
}

const tasks = {
  load: ({ network, runtime }) => withModel(network, runtime, () => {}),

  async enlarge({ file, tile, network, runtime }) {
    const start = performance.now();
    const image = await decode(file);
    const made = await withModel(network, runtime, async (model) => {
      const sink = new Sink(image, model.scale);
      await enlarge(image, model, Math.min(tile ** 2 || PIXELS, fitting), sink, {
        progress: (share) => postMessage({ kind: "progress", share }),
        shrunk(pixels) {
          fitting = pixels;
          postMessage({ kind: "shrunk", pixels });
        },
      });
      return sink.levels.end();
    });
    const { width, height, rgba } = image;
    const source = { blob: new Blob([rgba]), width, height, channels: 4 };
    postMessage({ kind: "done", made, source, seconds: (performance.now() - start) / 1000 });
  },
};

/** Has a network do some work, by what it runs on here; once more by what is left where that fails. */
function withModel(network, runtime, work) {
  const told = (text) => postMessage({ kind: "fellBack", text });
  return byFirst(network, runtime, async (backend, ort) => {
    if (loaded.network?.id !== network.id || loaded.backend !== backend) {
      loaded = { network, backend, model: await loadModel(network, backend, ort) };
    }
    postMessage({ kind: "ready", name: network.name, scale: loaded.model.scale, by: backend.says(ort) });
    return work(loaded.model);
  }, told);
}

/** Where enlarged rows go. */
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
    this.levels = new Gatherer(this.width, this.height, this.channels);
    this.done = 0;
  }

  rows(rgb) {
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
    this.levels.add(made);
  }
}

/** Gray of a colour, as Pillow counts it. */
function luma(red, green, blue) {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}
