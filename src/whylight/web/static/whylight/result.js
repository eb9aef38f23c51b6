// The result page: which class, how the map is laid over the picture, and what htmx brings while it is open.

import { bar, colours, heat, paint, table } from "./heat.js";
import { local } from "./times.js";

const LOOK = "whylight-look"; // what the visitor liked last

class Explained {
  constructor(root) {
    this.root = root;
    this.find = (what) => root.querySelector(what);
    this.form = this.find("form[data-look]");
    this.canvas = this.find("canvas[data-heat]");
    this.boxes = this.find("[data-boxes]");
    this.place = this.form.elements.class.value;
    this.recall();
    root.addEventListener("click", (event) => this.clicked(event));
    this.form.addEventListener("input", () => this.changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.drag();
    this.choose(this.place);
  }

  get look() {
    const { alpha, colormap, boxes } = this.form.elements;
    return { alpha: alpha.value, colormap: colormap.value, boxes: boxes?.checked ?? false };
  }

  recall() {
    const asked = new URLSearchParams(location.search);
    const liked = JSON.parse(localStorage.getItem(LOOK) ?? "{}");
    const { alpha, colormap, boxes } = this.form.elements;
    if (liked.alpha && !asked.has("alpha")) alpha.value = liked.alpha;
    if (liked.colormap && !asked.has("colormap")) colormap.value = liked.colormap;
    if (colormap.selectedIndex < 0) colormap.selectedIndex = 0;
    if (boxes && !asked.has("alpha")) boxes.checked = Boolean(liked.boxes);
  }

  changed() {
    localStorage.setItem(LOOK, JSON.stringify(this.look));
    this.draw();
  }

  clicked(event) {
    const link = event.target.closest("a[data-place]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    this.choose(link.dataset.place);
  }

  /** Show the map of a class. */
  choose(place) {
    this.place = place;
    this.form.elements.class.value = place;
    for (const link of this.root.querySelectorAll("a[data-place]")) {
      if (link.dataset.place === place) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const one of this.root.querySelectorAll(".told, [data-boxes] g")) {
      one.toggleAttribute("hidden", one.dataset.place !== place);
    }
    const told = this.told;
    const label = this.find("[data-label]");
    if (label && label.textContent !== told.dataset.name) {
      label.textContent = told.dataset.name;
      document.title = `Why “${told.dataset.name}”? · whylight`;
      say(told.dataset.words);
    }
    for (const field of this.root.querySelectorAll("[data-current]")) field.value = told.dataset.name;
    this.canvas.setAttribute("aria-label", `The map: ${told.dataset.words}`);
    const nothing = this.find("[data-nothing]");
    nothing.hidden = !told.dataset.flat;
    nothing.textContent = `${told.dataset.flat === "constant" ? "The map is the same everywhere" : "No evidence anywhere"}: nothing to show`;
    this.draw();
    const check = told.querySelector("[data-auto]");
    if (!check || !window.htmx) return;
    window.htmx.process(check); // a page that came with its answer is looked through by htmx only after this
    window.htmx.trigger(check, "look");
  }

  get told() {
    return this.root.querySelector(`.told[data-place="${this.place}"]`);
  }

  async draw() {
    const { alpha, colormap, boxes } = this.look;
    const { place, told } = this;
    this.boxes.toggleAttribute("hidden", !boxes);
    this.linked();
    this.split();
    const [tables, steps] = await Promise.all([
      colours(this.root.dataset.colours),
      told.dataset.flat ? null : heat(told.dataset.heat),
    ]);
    if (place !== this.place) return; // another class was chosen meanwhile
    this.canvas.hidden = !steps;
    if (steps) paint(this.canvas, steps, table(tables, this.look.colormap, this.look.alpha / 100));
    bar(this.find("[data-bar]"), tables, colormap);
    this.root.dataset.drawn = `${place} ${this.look.colormap} ${this.look.alpha}`;
    void alpha;
  }

  /** Downloads show what is seen here. */
  linked() {
    const { alpha, colormap, boxes } = this.look;
    const query = new URLSearchParams({ class: this.place, colormap, alpha, ...(boxes ? { boxes: "on" } : {}) });
    for (const link of document.querySelectorAll("a[data-download]")) link.search = query;
  }

  /** To the left of the edge the picture alone, to the right with the map. */
  split() {
    const range = this.find("[data-split]");
    const clip = `inset(0 0 0 ${range.value}%)`;
    this.canvas.style.clipPath = this.boxes.style.clipPath = clip;
    const edge = this.find("[data-edge]");
    edge.hidden = range.value === "0" || range.value === "100";
    edge.style.left = `${range.value}%`;
    const words = { 0: "the whole picture with the map", 100: "the picture without the map" };
    range.setAttribute("aria-valuetext", words[range.value] ?? `without the map up to ${range.value} % of the width`);
  }

  drag() {
    const stage = this.find("[data-stage]");
    const range = this.find("[data-split]");
    const move = (event) => {
      const { left, width } = stage.getBoundingClientRect();
      range.value = Math.round((100 * (event.clientX - left)) / width);
      this.split();
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      move(event);
      stage.addEventListener("pointermove", move);
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => stage.removeEventListener("pointermove", move));
  }
}

/** Say something to who listens; the same is not said twice. */
function say(words) {
  const live = document.getElementById("live");
  if (live && words && live.textContent !== words) live.textContent = words;
}

let explained = null;

/** Make what has come onto the page work. */
function begin(root) {
  for (const one of root.querySelectorAll(".scripted")) one.hidden = false;
  local(root);
  const found = document.querySelector("[data-explained]");
  if (found && explained?.root !== found) explained = new Explained(found);
  for (const select of root.querySelectorAll("select[data-method]")) {
    const tell = () => {
      select.form.querySelector("[data-cost].cost").textContent = `Cost: ${select.selectedOptions[0].dataset.cost}. A forward is one run of the model.`;
    };
    select.addEventListener("change", tell);
    tell();
  }
  for (const one of root.querySelectorAll("[data-switch]")) {
    one.addEventListener("change", () => document.getElementById(one.dataset.switch).toggleAttribute("hidden", !one.checked));
  }
  for (const field of root.querySelectorAll("[data-copy]")) field.addEventListener("focus", () => field.select());
  say(root.querySelector("[data-say]")?.dataset.say);
}

addEventListener("popstate", () => {
  explained?.choose(new URLSearchParams(location.search).get("class") ?? "0");
});
document.addEventListener("htmx:afterSettle", (event) => {
  const now = event.detail.target;
  const whole = event.detail.elt?.id === "body" || now.id === "body" || !now.isConnected;
  begin(whole ? document.body : now);
  if (whole && document.activeElement === document.body) document.querySelector("#body h1")?.focus({ preventScroll: true });
  if (whole) say(document.querySelector("#body .told:not([hidden]) .words, #body h1")?.textContent);
});
begin(document.body);
