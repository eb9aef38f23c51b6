// A coarse map drawn over the whole frame that it belongs to: bilinear between the centres of its cells, clear where the network did
// not look.

const LONGEST = 224; // pixels of what is drawn; the browser enlarges it to the video's size

/** For each of `count` pixels: the cell before it, and how far it is to the next (−1: the network did not look there). */
export function between(count, cells, from, to, first, last) {
  const lower = new Int32Array(count);
  const share = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const along = ((i + 0.5) / count - from) / (to - from); // 0 … 1 across what the network saw
    const at = Math.min(cells - 1, Math.max(0, ((along - first) / (last - first)) * cells - 0.5));
    lower[i] = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    share[i] = along < 0 || along > 1 ? -1 : at - lower[i];
  }
  return { lower, share };
}

/** Draw what the server has told of a frame, in the colours of a table (`heat.js`). Nothing where the map tells of no places. */
export function drawMap(canvas, { map, limits, region, span, width, height }, pixels) {
  const times = LONGEST / Math.max(width, height);
  const across = Math.max(1, Math.round(width * times));
  const down = Math.max(1, Math.round(height * times));
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  const context = canvas.getContext("2d");
  if (!limits) {
    context.clearRect(0, 0, across, down);
    return;
  }
  const image = context.createImageData(across, down);
  const whole = new Uint32Array(image.data.buffer);
  const xs = between(across, map[0].length, region[0], region[2], span[0], span[2]);
  const ys = between(down, map.length, region[1], region[3], span[1], span[3]);
  const [low, high] = limits;
  const scale = 255 / (high - low);
  for (let y = 0; y < down; y++) {
    const t = ys.share[y];
    if (t < 0) continue;
    const upper = map[ys.lower[y]];
    const under = map[Math.min(ys.lower[y] + 1, map.length - 1)];
    for (let x = 0; x < across; x++) {
      const s = xs.share[x];
      if (s < 0) continue;
      const i = xs.lower[x];
      const j = Math.min(i + 1, upper.length - 1);
      const value = (1 - t) * ((1 - s) * upper[i] + s * upper[j]) + t * ((1 - s) * under[i] + s * under[j]);
      whole[y * across + x] = pixels[Math.max(0, Math.min(255, Math.round((value - low) * scale)))];
    }
  }
  context.putImageData(image, 0, 0);
}
