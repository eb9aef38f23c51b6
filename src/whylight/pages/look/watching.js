// A moving picture with a map over it: the camera, what the visitor chooses, and what is said of each frame. Who looks at the frames,
// and where, is a page's own matter: it extends `Watching` with `look`, `names` and, where that takes a while, `prepare`.

import { bar, colours, table } from "./heat.js";
import { drawMap } from "./live-map.js";

const WINDOW = 3000; // milliseconds that rate and delay are told of
const WORDS = 2000; // milliseconds between two sentences for screen readers
export const pause = (time) => new Promise((over) => setTimeout(over, time));
export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

export class Watching {
  /** `liked`: the name under which what the visitor liked last is remembered; `remembered`: the fields that are. */
  constructor(root, liked, remembered) {
    Object.assign(this, { root, liked, remembered });
    this.find = (what) => root.querySelector(what);
    this.video = this.find("video");
    this.canvas = this.find("[data-map]");
    this.form = this.find("[data-look]");
    this.video.addEventListener("resize", () => this.shape(this.video.videoWidth, this.video.videoHeight));
    this.shown = []; // {at, delay} of the last maps
    this.stream = null;
    this.spoken = { at: 0, words: "" };
    root.hidden = false;
    this.recall();
    this.find("[data-start]").addEventListener("click", () => this.start());
    this.find("[data-stop]").addEventListener("click", () => this.stop());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => this.changed(event.target.name));
    document.addEventListener("visibilitychange", () => this.turned());
    this.turned();
    setInterval(() => this.measure(), 500);
    this.ready = colours(root.dataset.colours).then((found) => (this.tables = found)).then(() => this.recolour());
    if (!window.isSecureContext) this.cannot(`Browsers give the camera only to pages that come by https, or from this machine itself (localhost). Ask whoever runs this site for its https address, or ${this.instead}.`);
    else if (!navigator.mediaDevices?.getUserMedia) this.cannot(`This browser has no way to a camera. You can ${this.instead}.`);
  }

  get fields() {
    return this.form.elements;
  }

  /** What can be done without a camera. */
  get instead() {
    return "send a picture instead";
  }

  /** Whether there is anything to look at: a camera that is on, or what else a page takes in its place. */
  get on() {
    return this.stream !== null;
  }

  // What the visitor chooses

  recall() {
    const kept = JSON.parse(localStorage.getItem(this.liked) ?? "{}");
    for (const name of this.remembered) {
      const field = this.fields[name];
      if (kept[name] && (!field.options || [...field.options].some((one) => one.value === kept[name] && !one.disabled))) field.value = kept[name];
    }
    this.classes();
  }

  changed(name) {
    const kept = {};
    for (const one of this.remembered) kept[one] = this.fields[one].value;
    localStorage.setItem(this.liked, JSON.stringify(kept));
    if (name === "model") this.classes();
    if (name === "alpha" || name === "colormap") this.recolour();
    if (name === "facing" && this.stream) this.start();
  }

  classes() {
    const first = this.fields.target.options[0];
    this.fields.target.replaceChildren(first, ...this.names().map((name, place) => new Option(name, place)));
    this.fields.target.value = "";
  }

  recolour() {
    if (!this.tables) return;
    this.pixels = table(this.tables, this.fields.colormap.value, this.fields.alpha.value / 100);
    bar(this.find("[data-bar]"), this.tables, this.fields.colormap.value);
    if (this.last && this.on) drawMap(this.canvas, this.last, this.pixels);
  }

  // The camera

  async start() {
    this.release();
    const mine = (this.turn = {}); // a later start or stop makes this one void
    this.cover("Waiting for the camera: the browser asks whether this page may use it.", false);
    try {
      const video = { facingMode: { ideal: this.fields.facing.value }, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (this.turn !== mine) return stream.getTracks().forEach((track) => track.stop());
      this.stream = stream;
      const [track] = stream.getVideoTracks();
      track.addEventListener("ended", () => this.turn === mine && this.stop("The camera was switched off, or taken by another program."));
      this.find("[data-stage]").classList.toggle("mirrored", (track.getSettings().facingMode ?? this.fields.facing.value) === "user");
      this.video.srcObject = stream;
      await this.video.play();
    } catch (error) {
      if (this.turn === mine) this.stop(SAID[error.name]?.(this.instead) ?? `The camera cannot be used (${error.name}).`);
      return;
    }
    await this.go(mine);
  }

  /** Look at what is on, from now on. */
  async go(mine) {
    this.find("[data-stop]").disabled = false;
    const wrong = await this.ready.then(() => this.prepare(mine), () => "This page did not come whole: reload it.");
    if (this.turn !== mine) return;
    if (wrong) return this.stop(wrong);
    this.find("[data-cover]").hidden = true;
    await this.run(mine);
  }

  /** Get ready to look; a sentence where that cannot be. */
  async prepare() {}

  stop(note = "The camera is off.") {
    this.turn = null;
    this.release();
    const focused = document.activeElement === this.find("[data-stop]");
    this.find("[data-stop]").disabled = true;
    this.find("[data-verdict]").hidden = true;
    this.trouble("");
    this.cover(note, true);
    if (focused) this.find("[data-start]").focus();
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = this.last = null;
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.shown = [];
  }

  turned() {
    if (document.hidden) this.wake = new Promise((go) => (this.awake = go));
    else this.awake?.();
  }

  shape(width, height) {
    this.find("[data-stage]").style.setProperty("--ratio", width / height);
  }

  // Frame by frame

  async run(mine) {
    let fresh = true;
    let arrived = () => {};
    const next = () => {
      if (this.turn !== mine) return;
      fresh = true;
      arrived();
      this.onFrame(next);
    };
    this.onFrame(next);
    for (let failed = 0; this.turn === mine; ) {
      if (document.hidden) {
        this.trouble("Paused while this page is hidden.");
        await this.wake;
        this.trouble("");
        this.shown = [];
        continue;
      }
      if (!fresh) await new Promise((go) => (arrived = go)); // never the same frame twice, and always the newest
      fresh = false;
      const at = performance.now();
      const answer = await this.look(failed);
      if (this.turn !== mine) return;
      failed = answer.failed ? failed + 1 : 0;
      if (answer.stop) return this.stop(answer.stop);
      if (answer.wait) {
        this.trouble(answer.note);
        await pause(answer.wait);
      } else if (answer.seen) {
        this.trouble("");
        this.show(answer.seen, at);
      }
    }
  }

  onFrame(next) {
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  show(seen, at) {
    drawMap(this.canvas, seen, this.pixels);
    this.last = seen;
    const now = performance.now();
    this.shown.push({ at: now, delay: now - at });
    this.root.dataset.shown = Number(this.root.dataset.shown ?? 0) + 1;
    this.tell(seen);
  }

  // Words

  tell({ label, probability, target, top, flat }) {
    const verdict = this.find("[data-verdict]");
    verdict.hidden = false;
    verdict.textContent = `${label} ${percent(probability)}`;
    const list = this.find("[data-top]");
    while (list.children.length > top.length) list.lastChild.remove();
    top.forEach((one, place) => {
      const line = list.children[place]?.querySelector("i") ? list.children[place] : newLine(list, place);
      line.querySelector("span").textContent = one.label;
      line.querySelector("b").textContent = percent(one.probability);
      line.querySelector("i").style.setProperty("--share", one.probability);
      line.classList.toggle("meant", one.target === target);
    });
    const nothing = this.find("[data-nothing]");
    nothing.hidden = !flat;
    nothing.textContent = flat === "constant" ? "The map is the same everywhere: nothing is drawn." : `No evidence for “${label}” anywhere: nothing is drawn.`;
    const words = `${label}, ${Math.round(100 * probability)} percent${flat ? ", no evidence in any place" : ""}`;
    if (performance.now() - this.spoken.at < WORDS || words === this.spoken.words) return;
    this.spoken = { at: performance.now(), words };
    this.find("[data-words]").textContent = words;
    this.canvas.setAttribute("aria-label", `The map of the evidence for ${words}`);
  }

  measure() {
    const now = performance.now();
    this.shown = this.shown.filter((one) => now - one.at < WINDOW);
    const { length } = this.shown;
    const steps = median(this.shown.slice(1).map((one, place) => one.at - this.shown[place].at));
    this.find("[data-rate]").textContent = length > 1 ? (1000 / steps).toFixed(0) : "–";
    this.find("[data-delay]").textContent = length ? `${median(this.shown.map((one) => one.delay)).toFixed(0)} ms` : "–";
  }

  trouble(words) {
    const place = this.find("[data-trouble]");
    if (place.textContent !== words) place.textContent = words;
    place.hidden = !words;
  }

  cover(note, startable) {
    this.find("[data-cover]").hidden = false;
    this.find("[data-note]").textContent = note;
    this.find("[data-start]").hidden = !startable;
  }

  /** There is no camera for this page. */
  cannot(note) {
    this.cover(note, false);
    this.form.querySelectorAll("select, input").forEach((field) => (field.disabled = true));
  }
}

const SAID = {
  NotAllowedError: () => "The browser does not let this page use the camera. Allow it in the address bar or in the browser’s settings, then start again.",
  NotFoundError: (instead) => `No camera was found. Connect one and start again, or ${instead}.`,
  NotReadableError: () => "The camera is used by another program, or does not answer. Close that program and start again.",
  OverconstrainedError: () => "There is no such camera here. Choose the other one.",
};

function newLine(list, place) {
  const line = document.createElement("li");
  line.append(...["span", "b", "i"].map((kind) => document.createElement(kind)));
  if (list.children[place]) list.children[place].replaceWith(line);
  else list.append(line);
  return line;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
