// From a picture to the network's input, as whylight prepares it: the same part of the picture, resized by Pillow's own arithmetic in
// whole numbers. So the numbers that come out are the same wherever a model looks at a picture.

const BITS = 22; // of a weight behind the point
const HALF = 1 << (BITS - 1);
const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const FILTERS = {
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (x) => cubic(Math.abs(x))],
  lanczos: [3, (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

/** Keys' cubic with a = −0.5. */
function cubic(x) {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** To what size a picture of (width, height) is scaled, and where the input is cut out of it. */
export function geometry(width, height, { size: [rows, columns], mode, crop_pct: kept }) {
  if (mode === "squash") return { across: columns, down: rows, left: 0, top: 0 };
  const [high, wide] = [rows, columns].map((side) => Math.floor(side / kept + 1e-6));
  const narrow = width * high < height * wide;
  const across = narrow ? wide : Math.floor((high * width) / height);
  const down = narrow ? Math.floor((wide * height) / width) : high;
  return { across, down, left: even((across - columns) / 2), top: even((down - rows) / 2) };
}

/** Which part of the picture the network sees: left, top, right, bottom, as shares of it. */
export function region(width, height, preprocess) {
  const { across, down, left, top } = geometry(width, height, preprocess);
  const [rows, columns] = preprocess.size;
  return [left / across, top / down, (left + columns) / across, (top + rows) / down];
}

/** Half of what is left over, rounded to the even number where it lies between two. */
function even(half) {
  const below = Math.floor(half);
  return half - below === 0.5 ? below + (below % 2) : Math.round(half);
}

/** Pixels (height, width, 4) as the network's input (rows, columns, 3). */
export function prepared(rgba, width, height, preprocess) {
  const [rows, columns] = preprocess.size;
  const { across, down, left, top } = geometry(width, height, preprocess);
  const xs = taps(width, across, left, columns, preprocess.interpolation);
  const ys = taps(height, down, top, rows, preprocess.interpolation);
  const first = ys.from[0];
  const last = ys.from[rows - 1] + ys.count[rows - 1];
  const narrow = new Uint8ClampedArray((last - first) * columns * 3);
  for (let y = first, to = 0; y < last; y++) {
    for (let x = 0; x < columns; x++, to += 3) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let at = 4 * (y * width + xs.from[x]);
      for (let k = xs.start[x], end = k + xs.count[x]; k < end; k++, at += 4) {
        const weight = xs.weights[k];
        r += rgba[at] * weight;
        g += rgba[at + 1] * weight;
        b += rgba[at + 2] * weight;
      }
      narrow[to] = r >> BITS;
      narrow[to + 1] = g >> BITS;
      narrow[to + 2] = b >> BITS;
    }
  }
  const made = new Uint8ClampedArray(rows * columns * 3);
  const step = columns * 3;
  for (let y = 0, to = 0; y < rows; y++) {
    for (let i = 0; i < step; i++, to++) {
      let sum = HALF;
      let at = (ys.from[y] - first) * step + i;
      for (let k = ys.start[y], end = k + ys.count[y]; k < end; k++, at += step) sum += narrow[at] * ys.weights[k];
      made[to] = sum >> BITS;
    }
  }
  return new Uint8Array(made.buffer);
}

/** For `kept` places of a side that is scaled from `from` to `to` pixels, from the place `first` on: which pixels weigh how much. */
function taps(from, to, first, kept, interpolation) {
  const found = { from: new Int32Array(kept), count: new Int32Array(kept), start: new Int32Array(kept), weights: [] };
  const scale = from / to;
  const [reach, filter] = FILTERS[interpolation] ?? [];
  const stretch = Math.max(1, scale);
  const times = 1 / stretch;
  let along = 0.5 * scale; // to the nearest pixel Pillow walks in steps, whose rounding adds up
  for (let i = 0; i < first; i++) along += scale;
  for (let i = 0; i < kept; i++, along += scale) {
    const centre = (first + i + 0.5) * scale;
    found.start[i] = found.weights.length;
    if (!filter || from === to) { // nearest, or nothing to do
      found.from[i] = Math.min(from - 1, Math.floor(along));
      found.count[i] = 1;
      found.weights.push(1 << BITS);
      continue;
    }
    const low = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const high = Math.min(from, Math.trunc(centre + reach * stretch + 0.5));
    const weights = [];
    for (let x = low; x < high; x++) weights.push(filter((x - centre + 0.5) * times));
    const sum = weights.reduce((a, b) => a + b, 0);
    found.from[i] = low;
    found.count[i] = weights.length;
    for (const one of weights) found.weights.push(Math.trunc((one / sum) * 2 ** BITS + (one < 0 ? -0.5 : 0.5)));
  }
  found.weights = Int32Array.from(found.weights);
  return found;
}
