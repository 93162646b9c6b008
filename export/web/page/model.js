// The model files beside the page, by onnxruntime-web.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";

const MOST_THREADS = 8;

ort.env.wasm.wasmPaths = { wasm: new URL("runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
// Threads share memory, which browsers allow to pages that nothing else can look into.
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
ort.env.logLevel = "error";

async function session(name) {
  const answer = await fetch(new URL(`model/${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  const file = new Uint8Array(await answer.arrayBuffer());
  return ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
}

function once(make) {
  let made;
  return () => (made ??= make());
}

/** The model as `tiles.enlarge` takes it, its `name`, and whether it has a `card`. */
export async function loadModel() {
  const known = await (await fetch(new URL("model/model.json", import.meta.url))).json();
  const network = await session("model.onnx");

  async function whole(lr, height, width) {
    const { sr } = await network.run({ lr: new ort.Tensor("float32", lr, [1, 3, height, width]) });
    return sr.data;
  }

  const scale = Math.round(Math.sqrt((await whole(new Float32Array(3 * 256), 16, 16)).length / 3)) / 16;
  const { name, card } = known;
  return { name, card, whole, scale, stages: once(() => (known.stages ? loadStages(known.stages) : null)) };
}

async function loadStages({ reaches, channels, grid = 1 }) {
  const sessions = [];
  for (const i of reaches.keys()) sessions.push(await session(`stages/stage${String(i).padStart(2, "0")}.onnx`));

  async function run(stage, maps, moments, mask) {
    const values = {
      moments: new ort.Tensor("float32", moments, [2, moments.length / 2]),
      mask: new ort.Tensor("float32", mask.data, mask.dims),
    };
    maps.forEach(({ data, dims }, i) => {
      values[`map${i}`] = new ort.Tensor(data instanceof Float32Array ? "float32" : "float16", data, dims);
    });
    const taken = sessions[stage].inputNames.map((name) => [name, values[name]]);
    const made = await sessions[stage].run(Object.fromEntries(taken));
    const outputs = sessions[stage].outputNames.filter((name) => name.startsWith("out")).sort();
    return { maps: outputs.map((name) => made[name].data), moments: made.moments_out.data };
  }

  return { run, reaches, channels, grid };
}
