// How strongly a moving map is drawn: the scale rises with the evidence at once and falls slowly, so that what fades is seen to fade.

const FADES = 2; // seconds in which the scale falls to 1/e
const ALL = 0.85; // of a map's cells at half of its maximum or above, from which on it tells of no place in particular
const ROUNDING = 1e-6; // of a map's values, up to which they are the same

export class Steady {
  constructor() {
    this.reach = 0;
    this.time = null;
  }

  /** The values that are drawn as nothing and as most, and what is wrong with a map that tells of no places; `about`: its class. */
  look(map, time, about) {
    const values = map.flatMap((row) => Array.from(row));
    const least = Math.min(...values);
    const most = Math.max(...values);
    const passed = this.time === null || about !== this.about ? Infinity : Math.max(0, time - this.time);
    this.reach = Math.max(0, most, this.reach * Math.exp(-passed / FADES));
    Object.assign(this, { time, about });
    if (!(most > 0)) return { limits: null, flat: "blank" };
    if (most - least <= ROUNDING * Math.max(most, Math.abs(least))) return { limits: null, flat: "constant" };
    const everywhere = values.filter((value) => value >= most / 2).length >= ALL * values.length;
    const low = everywhere ? least : 0; // what all places have in common is about none of them
    return { limits: [low, low + this.reach], flat: "" };
  }
}
