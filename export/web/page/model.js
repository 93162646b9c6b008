// The model files beside the page, by onnxruntime-web.

/** One of so many output values is checked for being finite: a graphics processor may fail without an error. */
const PROBED = 997;

async function content(network, name) {
  const answer = await fetch(new URL(`models/${network.id}/${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

function once(make) {
  let made;
  return () => (made ??= make());
}

/**
 * A network as `tiles.enlarge` takes it.
 *
 * @param {object} network an entry of `models.json`.
 * @param {object} backend an entry of `BACKENDS`.
 * @param {object} ort onnxruntime-web, as loaded for it.
 */
export async function loadModel(network, backend, ort) {
  const file = await content(network, "model.onnx");
  const options = { executionProviders: [backend.name] };
  const kept = { size: "", session: null };

  /** The network for images of a size; one for all sizes where the backend takes any. */
  async function sessionFor(height, width) {
    const size = backend.fixed ? `${height} x ${width}` : "any";
    if (kept.size !== size) {
      await kept.session?.release();
      const fixed = backend.fixed ? { freeDimensionOverrides: { batch: 1, height, width } } : {};
      kept.session = await ort.InferenceSession.create(file, { ...options, ...fixed });
      kept.size = size;
    }
    return kept.session;
  }

  async function whole(lr, height, width) {
    const session = await sessionFor(height, width);
    const { sr } = await session.run({ lr: new ort.Tensor("float32", lr, [1, 3, height, width]) });
    for (let i = 0; i < sr.data.length; i += PROBED) {
      if (!Number.isFinite(sr.data[i])) throw new Error("its output is not finite");
    }
    return sr.data;
  }

  const scale = network.scale ?? Math.round(Math.sqrt((await whole(new Float32Array(3 * 256), 16, 16)).length / 3)) / 16;
  if (!backend.fixed) await sessionFor(16, 16);
  const { overlap, grid } = network;
  const stages = once(() => (network.stages ? loadStages(network, options, ort) : null));
  return { whole, scale, overlap, grid, fixed: backend.fixed, stages };
}

async function loadStages(network, options, ort) {
  const { reaches, channels, grid } = network.stages;
  const sessions = [];
  for (const i of reaches.keys()) {
    const file = await content(network, `stages/stage${String(i).padStart(2, "0")}.onnx`);
    sessions.push(await ort.InferenceSession.create(file, options));
  }

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
