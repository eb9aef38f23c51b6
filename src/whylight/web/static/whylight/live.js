// The camera page: the newest frame goes to the server, the map comes back as numbers and is drawn over the video.

import { capital, Watching } from "./watching.js";

const PAUSES = [500, 1000, 2000, 4000, 8000]; // milliseconds before another try where the server is not reached

class Live extends Watching {
  constructor(root) {
    super(root, "whylight-live", ["model", "facing", "colormap", "alpha"]);
    this.tab = Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
    this.small = document.createElement("canvas");
  }

  get told() {
    return (this.facts ??= JSON.parse(document.getElementById("told").textContent));
  }

  names() {
    return this.told[this.fields.model.value].classes;
  }

  /** {seen} or {wait, note} or {stop} or, where a newer frame has overtaken this one, nothing of these. */
  async look(failed) {
    const frame = await this.capture();
    if (!frame) return {};
    try {
      return await this.ask(frame);
    } catch (error) {
      if (error.name !== "TypeError" && error.name !== "TimeoutError" && error.name !== "SyntaxError") throw error;
      return { failed: true, wait: PAUSES[Math.min(failed, PAUSES.length - 1)], note: "The site is not reached. Trying again …" };
    }
  }

  capture() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return null;
    const longest = Math.min(512, Math.max(224, 1.4 * this.told[this.fields.model.value].input));
    const times = Math.min(1, longest / Math.max(width, height));
    this.small.width = Math.max(1, Math.round(width * times));
    this.small.height = Math.max(1, Math.round(height * times));
    this.small.getContext("2d").drawImage(this.video, 0, 0, this.small.width, this.small.height);
    return new Promise((done) => this.small.toBlob(done, "image/jpeg", 0.85));
  }

  async ask(frame) {
    const { model, target } = this.fields;
    const asked = new URLSearchParams({ model: model.value, target: target.value, tab: this.tab });
    const answer = await fetch(`${this.root.dataset.url}?${asked}`, {
      method: "POST",
      body: frame,
      headers: { "X-CSRFToken": this.root.dataset.token, "Content-Type": frame.type },
      signal: AbortSignal.timeout(20000),
    });
    if (answer.status === 403) return { stop: "This page is too old for the site: reload it." };
    if (answer.status >= 500 && answer.status !== 503) return { wait: 2000, note: "Something went wrong on the site. Trying again …" };
    const told = await answer.json();
    if (answer.status === 200) return { seen: told };
    if (answer.status === 202) return told.state === "starting" ? { wait: 300, note: "The model is being loaded; that takes some seconds." } : {};
    if (answer.status === 503) return { wait: 1000 * Number(answer.headers.get("Retry-After") ?? 3), note: capital(told.error) };
    return { stop: capital(told.error) };
  }
}

const root = document.getElementById("live");
if (root) new Live(root);
