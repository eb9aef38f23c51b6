// Heat maps drawn over pictures: grey heat, looked up in a table of colours and opacities, as `whylight.render.overlay` draws it.

const WIDEST = 1000; // pixels a side of what is drawn: heat is smooth
const kept = new Map(); // address → promise of {steps, width, height}
let tables = null;

/** The colour maps, read once: {rise, maps: {name: {colours, even}}}. */
export function colours(address) {
  tables ??= fetch(address).then((answer) => answer.json());
  return tables;
}

/** The 256 steps of a heat picture, as an array with its size. */
export function heat(address) {
  if (!kept.has(address)) kept.set(address, read(address));
  return kept.get(address);
}

async function read(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const times = Math.min(1, WIDEST / Math.max(picture.naturalWidth, picture.naturalHeight));
  const width = Math.max(1, Math.round(picture.naturalWidth * times));
  const height = Math.max(1, Math.round(picture.naturalHeight * times));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;
  const steps = new Uint8Array(width * height);
  for (let i = 0; i < steps.length; i++) steps[i] = pixels[4 * i];
  return { steps, width, height };
}

/** The colour and opacity of each step, as 256 pixels. `alpha`: 0 … 1; `part`: of a shared scale, as `Look` has it. */
export function table({ rise, maps }, colormap, alpha, part = 1) {
  const { colours: hex, even } = maps[colormap];
  const most = even ? alpha : 1 - (1 - alpha) ** 1.4;
  const bytes = new Uint8ClampedArray(1024);
  for (let step = 0; step < 256; step++) {
    const at = Math.round(step * part);
    for (let c = 0; c < 3; c++) bytes[4 * step + c] = parseInt(hex.slice(6 * at + 2 * c, 6 * at + 2 * c + 2), 16);
    bytes[4 * step + 3] = Math.round(255 * most * (even ? 1 : rise[at]));
  }
  return new Uint32Array(bytes.buffer);
}

/** Draw heat on a canvas in the colours of a table. */
export function paint(canvas, { steps, width, height }, pixels) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const whole = new Uint32Array(image.data.buffer);
  for (let i = 0; i < steps.length; i++) whole[i] = pixels[steps[i]];
  context.putImageData(image, 0, 0);
}

/** Draw the colours from no evidence to the most, without opacity, on a canvas of 256 × 1. */
export function bar(canvas, { maps }, colormap) {
  const hex = maps[colormap].colours;
  const context = canvas.getContext("2d");
  for (let step = 0; step < 256; step++) {
    context.fillStyle = `#${hex.slice(6 * step, 6 * step + 6)}`;
    context.fillRect(step, 0, 1, 1);
  }
}
