// What networks are run by, best first: onnxruntime-web on WebGPU and, where that is not there or fails, in WebAssembly.

/** The most threads that are asked for. */
const MOST_THREADS = 8;

/** Side of the squares that WebGPU enlarges: its programs are made for one size, once. */
const SIDE = 256;

/**
 * `there()`: whether this browser has it. `suits(network)`: whether it runs that. `fixed`: side of the squares that it
 * takes, 0 for any size. `load()`: onnxruntime-web for it. `says(ort)`: its name for the page's reader.
 */
export const BACKENDS = [
  {
    name: "webgpu",
    fixed: SIDE,
    there: hasGpu,
    // What stages hand on would go to and fro between the two memories.
    suits: (network) => !network.stages,
    load: () => load("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm", 1),
    says: () => "WebGPU",
  },
  {
    name: "wasm",
    fixed: 0,
    there: () => true,
    suits: () => true,
    // Threads share memory, which browsers allow to pages that nothing else can look into.
    load: () =>
      load(
        "ort.wasm.bundle.min.mjs",
        "ort-wasm-simd-threaded.wasm",
        self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1,
      ),
    says: (ort) => `WebAssembly, ${ort.env.wasm.numThreads === 1 ? "one thread" : `${ort.env.wasm.numThreads} threads`}`,
  },
];

/** A graphics processor; one that is imitated in software is slower than WebAssembly. */
async function hasGpu(asked) {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && (asked || !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter));
}

async function load(module, wasm, threads) {
  const ort = await import(`./runtime/${module}`);
  ort.env.wasm.wasmPaths = { wasm: new URL(`runtime/${wasm}`, import.meta.url).href };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return ort;
}

/** Those that failed in this worker, and are not tried again. */
const failed = new Set();

/**
 * Does some work by the first backend that can. If one fails, it is given up, and the work is done anew by the next.
 *
 * @param {object} network an entry of `models.json`.
 * @param {string | null} asked the name of a backend that is to be tried alone, but for the last.
 * @param {function(object, object): Promise} work takes a backend and onnxruntime-web as loaded for it.
 * @param {function(string)} fellBack is told which failed, and why.
 */
export async function byFirst(network, asked, work, fellBack) {
  const last = BACKENDS.at(-1);
  for (const backend of BACKENDS) {
    const wanted = backend === last || !asked || asked === backend.name;
    if (!wanted || failed.has(backend) || !backend.suits(network)) continue;
    if (!(await backend.there(Boolean(asked)))) continue;
    try {
      backend.ort ??= await backend.load();
      return await work(backend, backend.ort);
    } catch (error) {
      if (backend === last || error?.isWrong) throw error;
      failed.add(backend);
      const why = String(error?.message ?? error).split("\n")[0];
      fellBack(`${backend.says(backend.ort)} failed (${why}). Continuing in WebAssembly.`);
    }
  }
}
