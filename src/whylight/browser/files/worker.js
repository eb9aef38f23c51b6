// Looks at pictures, away from the page's own thread: loads the runtime and a model once, then answers without asking anybody.

import { prepared, region } from "./prepare.js";

const TOP = 3; // classes that are told
const RUNTIMES = {
  wasm: ["./ort.wasm.bundle.min.js", "ort-wasm-simd-threaded.wasm"],
  webgpu: ["./ort.webgpu.bundle.min.js", "ort-wasm-simd-threaded.asyncify.wasm"],
};
let ort, session, facts;
const canvas = new OffscreenCanvas(1, 1);

const DO = {
  /** Load a model (`facts` as model.json has them, `graph` its bytes' address) to be run by `by`: wasm or webgpu. */
  async load({ by, graph, told }) {
    facts = told;
    const [script, binary] = RUNTIMES[by];
    ort = await import(script);
    const { wasm } = ort.env;
    wasm.numThreads = self.crossOriginIsolated ? Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1)) : 1;
    wasm.wasmPaths = { wasm: new URL(binary, import.meta.url).href };
    const answer = await fetch(graph);
    if (!answer.ok) throw new Error(`the model did not come (${answer.status})`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    session = await ort.InferenceSession.create(bytes, { executionProviders: [by] });
    await run(new Uint8Array(3 * facts.preprocess.size[0] * facts.preprocess.size[1])); // the first time takes longest
    return { threads: wasm.numThreads };
  },

  /** What the model says of a picture, an ImageBitmap, and the map of one class; `target` "": the surest. */
  async look({ picture, target }) {
    const { width, height } = picture;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    picture.close();
    const { data } = context.getImageData(0, 0, width, height);
    const { logits, maps } = await run(prepared(data, width, height, facts.preprocess));
    const shares = facts.multilabel ? Array.from(logits, (one) => 1 / (1 + Math.exp(-one))) : softmax(logits);
    const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]);
    const about = (one) => ({ label: facts.classes[one], probability: shares[one], target: one });
    const index = target === "" ? order[0] : Number(target);
    const [h, w] = facts.grid;
    const row = (y) => maps.slice((index * h + y) * w, (index * h + y + 1) * w);
    return {
      ...about(index),
      score: logits[index],
      top: order.slice(0, TOP).map(about),
      map: Array.from({ length: h }, (_, y) => row(y)),
      region: region(width, height, facts.preprocess),
      span: facts.span,
      width,
      height,
    };
  },
};

async function run(pixels) {
  const [rows, columns] = facts.preprocess.size;
  const found = await session.run({ picture: new ort.Tensor("uint8", pixels, [1, rows, columns, 3]) });
  return { logits: await found.logits.getData(), maps: await found.maps.getData() };
}

function softmax(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = Array.from(logits, (one) => Math.exp(one - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((one) => one / sum);
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ number: data.number, answer: await DO[data.kind](data) });
  } catch (error) { // whatever it is, the page says it: nobody else hears of it
    self.postMessage({ number: data.number, wrong: String(error?.message ?? error) });
  }
};
