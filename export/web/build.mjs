// Lays the page, onnxruntime-web and models side by side: npm ci && npm run build -- [EXPORT/model.onnx] FOLDER
//
// Unless a model is named, these are all that the onnxruntime kit comes with.
// `python -m srnas_tf.run --mode=demo` does the same without Node.

import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const WEBGPU = ["ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"];
const RUNTIME = ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm", ...WEBGPU];

/** How parts overlap, and what they begin at multiples of, where nothing says how far a network looks. */
const [OVERLAP, GRID] = [16, 6];

const own = import.meta.dirname;
const kit = join(own, "..", "onnxruntime");
const [folder, model] = process.argv.slice(2).reverse();
if (!folder || (model && !existsSync(model)) || existsSync(folder)) {
  console.error("usage: npm run build -- [MODEL.onnx] FOLDER, of which the one is there and the other not yet");
  process.exit(2);
}

cpSync(join(own, "page"), folder, { recursive: true });
mkdirSync(join(folder, "runtime"));
for (const name of RUNTIME) {
  copyFileSync(join(own, "node_modules", "onnxruntime-web", "dist", name), join(folder, "runtime", name));
}
const shipped = readdirSync(kit).filter((name) => existsSync(join(kit, name, "model.onnx"))).sort();
const models = model
  ? [copyModel(model, "own", basename(model))]
  : shipped.map((name) => copyModel(join(kit, name, "model.onnx"), name, name));
const first = model ? "own" : "x4";
writeFileSync(join(folder, "models", "models.json"), `${JSON.stringify({ first, models }, null, 1)}\n`);
writeFileSync(join(folder, "site.js"), site());

/** Copies a network's files; returns what the page must know of it. */
function copyModel(path, id, name) {
  const target = join(folder, "models", id);
  mkdirSync(target, { recursive: true });
  copyFileSync(path, join(target, "model.onnx"));
  const described = join(dirname(path), "MODEL_CARD.md");
  const card = existsSync(described);
  if (card) copyFileSync(described, join(target, "MODEL_CARD.md"));
  const entry = { id, name, scale: null, card, overlap: OVERLAP, grid: GRID, stages: null };

  const listed = join(dirname(path), "stages", "stages.json");
  const known = existsSync(listed) ? JSON.parse(readFileSync(listed, "utf8")) : { stands_for: [] };
  if (!known.stands_for.includes(basename(path))) return entry;
  const { scale, reaches, channels, grid = 1, pools = true } = known;
  if (!pools) return { ...entry, scale, overlap: reaches.reduce((a, b) => a + b), grid };
  mkdirSync(join(target, "stages"));
  for (const i of reaches.keys()) {
    const stage = `stage${String(i).padStart(2, "0")}.onnx`;
    copyFileSync(join(dirname(listed), stage), join(target, "stages", stage));
  }
  return { ...entry, scale, stages: { reaches, channels, grid } };
}

/** What the service worker keeps: all files but WebGPU's runtime, and a version that says what is in them. */
function site() {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const below = (entry) => join(entry.parentPath ?? entry.path, entry.name).slice(join(folder, "/").length);
  const paths = entries.map(below).sort();
  const sha256 = (content) => createHash("sha256").update(content).digest("hex");
  const version = sha256(paths.map((path) => `${path} ${sha256(readFileSync(join(folder, path)))}\n`).join("")).slice(0, 16);
  const files = ["./", ...paths.filter((path) => !WEBGPU.includes(basename(path)))];
  return `self.site = ${JSON.stringify({ version, files })};\n`;
}
