// Lays the page, onnxruntime-web and a model side by side: npm ci && npm run build -- [EXPORT/model.onnx] FOLDER
//
// Unless a model is named, it is the one that the onnxruntime kit comes with.
// `python -m srnas_tf.run --mode=demo` does the same without Node.

import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const RUNTIME = ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"];

const own = import.meta.dirname;
const [folder, model = join(own, "..", "onnxruntime", "x4", "model.onnx")] = process.argv.slice(2).reverse();
if (!folder || !existsSync(model) || existsSync(folder)) {
  console.error("usage: npm run build -- [MODEL.onnx] FOLDER, of which the one is there and the other not yet");
  process.exit(2);
}

cpSync(join(own, "page"), folder, { recursive: true });
mkdirSync(join(folder, "runtime"));
for (const name of RUNTIME) {
  copyFileSync(join(own, "node_modules", "onnxruntime-web", "dist", name), join(folder, "runtime", name));
}
mkdirSync(join(folder, "model"));
copyFileSync(model, join(folder, "model", "model.onnx"));
const described = join(dirname(model), "MODEL_CARD.md");
const card = existsSync(described);
if (card) copyFileSync(described, join(folder, "model", "MODEL_CARD.md"));

const listed = join(dirname(model), "stages", "stages.json");
const known = existsSync(listed) ? JSON.parse(readFileSync(listed, "utf8")) : { stands_for: [] };
const staged = known.stands_for.includes(basename(model));
if (staged) {
  mkdirSync(join(folder, "model", "stages"));
  for (const i of known.reaches.keys()) {
    const name = `stage${String(i).padStart(2, "0")}.onnx`;
    copyFileSync(join(dirname(listed), name), join(folder, "model", "stages", name));
  }
}
const stages = staged ? { reaches: known.reaches, channels: known.channels, grid: known.grid ?? 1 } : null;
writeFileSync(join(folder, "model", "model.json"), `${JSON.stringify({ name: basename(model), card, stages }, null, 1)}\n`);
