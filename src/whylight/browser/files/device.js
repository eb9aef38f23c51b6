// The map on the moving picture, made by the visitor's own device: frames go to a worker of this page, and nowhere else.

import { Steady } from "./steady.js";
import { capital, pause, Watching } from "./watching.js";

const LARGEST = 4096; // pixels of a side; what is larger is made smaller first
const REMEMBERED = ["model", "by", "facing", "colormap", "alpha"];

class Wrong extends Error {} // of the worker; its message is the worker's

class Device extends Watching {
  constructor(root) {
    super(filled(root), "whylight-device", REMEMBERED);
    this.still = document.createElement("canvas"); // a picture that was opened, in the video's place
    Object.assign(this.still, { hidden: true, role: "img", ariaLabel: "The picture that you opened" });
    this.canvas.before(this.still);
    this.steady = new Steady();
    this.waiting = new Map(); // number of a question → how its answer is handed on
    this.asked = 0;
    const file = this.find("[data-file]");
    file.addEventListener("change", () => {
      if (file.files.length) this.open(file.files[0]);
      file.value = ""; // the same file may be opened again
    });
    if (typeof WebAssembly !== "object") this.cannot("This browser runs no WebAssembly, which the model needs. Update it, or take another one.");
  }

  get instead() {
    return "open a picture or a video instead";
  }

  get on() {
    return Boolean(this.stream || this.picture || this.address);
  }

  names() {
    return this.facts?.classes ?? [];
  }

  changed(name) {
    super.changed(name);
    if (!this.on) return;
    if (name === "model" || name === "by") this.go((this.turn = {}));
    if (name === "target") this.again?.();
  }

  /** Without a camera there are files. */
  cannot(note) {
    this.cover(note, false);
  }

  // Pictures and videos in place of the camera

  async open(file) {
    this.release();
    const mine = (this.turn = {});
    this.find("[data-stage]").classList.remove("mirrored");
    this.cover("Opening the file …", false);
    if (!((await this.asPicture(file, mine)) || (await this.asVideo(file, mine)))) {
      if (this.turn === mine) this.stop(`${file.name}: this browser can neither show it as a picture nor play it.`);
      return;
    }
    if (this.turn === mine) await this.go(mine);
  }

  async asPicture(file, mine) {
    if (file.type.startsWith("video/")) return false;
    let picture;
    try {
      picture = await createImageBitmap(file, { colorSpaceConversion: "none" });
    } catch {
      return false;
    }
    if (this.turn !== mine) return true;
    const times = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
    this.still.width = Math.max(1, Math.round(picture.width * times));
    this.still.height = Math.max(1, Math.round(picture.height * times));
    const context = this.still.getContext("2d");
    context.fillStyle = "#fff"; // transparent parts lie over white
    context.fillRect(0, 0, this.still.width, this.still.height);
    context.drawImage(picture, 0, 0, this.still.width, this.still.height);
    this.picture = this.still;
    this.still.hidden = false;
    this.shape(this.still.width, this.still.height);
    return true;
  }

  async asVideo(file, mine) {
    this.address = URL.createObjectURL(file);
    Object.assign(this.video, { src: this.address, loop: true });
    try {
      await this.video.play();
    } catch {
      return false;
    }
    return this.turn === mine;
  }

  release() {
    super.release();
    if (this.address) {
      this.video.removeAttribute("src");
      this.video.load();
      URL.revokeObjectURL(this.address);
    }
    this.address = this.picture = this.again = null;
    this.still.hidden = true;
    this.steady = new Steady();
  }

  stop(note = "Stopped. Nothing was sent anywhere, and nothing is kept.") {
    super.stop(note);
  }

  onFrame(next) {
    if (this.picture) this.again = next; // it is looked at again when another class is asked for
    else super.onFrame(next);
  }

  // The model

  async prepare(mine) {
    const model = this.fields.model.value;
    const by = this.fields.by.value;
    if (this.loaded === `${model} ${by}`) return "";
    this.loaded = null;
    this.worker?.terminate();
    this.cover("Loading …", false);
    const told = await this.told(model, mine);
    if (typeof told === "string") return told;
    if (this.facts?.graph !== told.graph) {
      this.facts = told;
      this.classes();
    }
    this.cover(`Loading the model (${(told.bytes / 1e6).toFixed(0)} MB) and what runs it (${by === "wasm" ? 14 : 27} MB). The browser keeps them for the next time.`, false);
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.worker.onerror = (event) => this.waiting.forEach((_, number) => this.answered({ number, wrong: event.message || "a script did not load" }));
    try {
      const { threads } = await this.ask({ kind: "load", by, graph: told.graph, told: { ...told, graph: undefined } });
      Object.assign(this.root.dataset, { by, threads });
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return by === "webgpu" ? `WebGPU does not work here (${error.message}). Choose WASM, and start again.` : `The model cannot be run in this browser: ${error.message}.`;
    }
    if (this.turn === mine) this.loaded = `${model} ${by}`;
    return "";
  }

  /** What is said of the model, `graph` being a whole address; a sentence where nothing is. */
  async told(model, mine) {
    const at = new URL(this.fields.model.selectedOptions[0].dataset.facts, document.baseURI);
    while (this.turn === mine) {
      const answer = await fetch(at, { headers: { Accept: "application/json" } }).catch(() => null);
      const found = await answer?.json().catch(() => null);
      if (!found) return "The model cannot be reached. Look at the connection, and start again.";
      if (answer.status === 200) return { ...found, graph: new URL(found.graph, at).href };
      if (answer.status !== 202) return capital(found.error ?? "the model cannot be had.");
      this.cover(`“${model}” is being made ready for browsers. That takes some seconds, the first time only.`, false);
      await pause(600);
    }
    return "";
  }

  ask(question, handed = []) {
    const number = ++this.asked;
    const answer = new Promise((done, failed) => this.waiting.set(number, { done, failed }));
    this.worker.postMessage({ ...question, number }, handed);
    return answer;
  }

  answered({ number, answer, wrong }) {
    const one = this.waiting.get(number);
    this.waiting.delete(number);
    if (wrong === undefined) one?.done(answer);
    else one?.failed(new Wrong(wrong));
  }

  async look() {
    const source = this.picture ?? this.video;
    if (!this.picture && this.video.readyState < 2) return {};
    const { width, height } = this.picture ?? { width: this.video.videoWidth, height: this.video.videoHeight };
    const times = Math.min(1, LARGEST / Math.max(width, height));
    const smaller = times < 1 ? { resizeWidth: Math.round(width * times), resizeHeight: Math.round(height * times) } : {};
    const picture = await createImageBitmap(source, smaller);
    const time = performance.now() / 1000;
    try {
      const seen = await this.ask({ kind: "look", picture, target: this.fields.target.value }, [picture]);
      return { seen: { ...seen, ...this.steady.look(seen.map, time, `${this.fields.model.value} ${seen.target}`) } };
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return { stop: `The model failed on this picture: ${error.message}.` };
    }
  }
}

/** The fields' choices, as the page's own data have them. */
function filled(root) {
  const { model, by, colormap } = root.querySelector("[data-look]").elements;
  const told = JSON.parse(document.getElementById("told").textContent);
  for (const { title, facts } of told.models) {
    model.append(new Option(title));
    model.lastChild.dataset.facts = facts;
  }
  model.closest("label").hidden = told.models.length < 2;
  colormap.append(...told.colormaps.map((name) => new Option(name)));
  if (!navigator.gpu) Object.assign(by.querySelector("[value=webgpu]"), { disabled: true, textContent: "WebGPU (not in this browser)" });
  return root;
}

const root = document.getElementById("device");
if (root) new Device(root);
