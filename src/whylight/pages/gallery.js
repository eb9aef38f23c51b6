"use strict";
// The cards; large.js, which follows it in the same script, has the rest.
// Only the cards in sight are in the page: 5,000 pictures scroll as easily as 50. Text goes in as text, never as HTML.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const { entries, questions } = data;
const names = new Intl.Collator(undefined, { numeric: true });
const many = new Intl.NumberFormat("en");
const grid = $("grid"), form = $("filters"), large = $("large");
let shown = [], cards = new Map(), columns = 1, width = 0, height = 0, at = -1, overlay = true, waiting = false;

entries.forEach((entry) => { entry.views ??= []; });
const labelled = entries.some((entry) => entry.truth !== undefined);
document.body.classList.toggle("labels", labelled);

function make(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

// Small pictures lie as text behind this script; those that the browser has not read yet come when it has.
function image(place, kind, alt) {
  const node = make("img", kind);
  node.alt = alt;
  node.decoding = "async";
  const fill = () => { const text = $("t" + place); if (text) node.src = "data:image/webp;base64," + text.textContent; };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", fill, { once: true }); else fill();
  return node;
}

function frame(entry, view) {
  const outer = make("span", "frame");
  if (entry.picture === undefined) {
    outer.append(make("span", "none", entry.error ? "No answer" : "The picture could not be read"));
    return outer;
  }
  const inner = make("span", "inner"), [w, h] = entry.size;
  inner.style.setProperty("--ratio", w / h);
  inner.append(image(entry.picture, "", view?.sentence ?? entry.name));
  if (view?.layer !== undefined) inner.append(image(view.layer, view.kind, ""));
  for (const [x0, y0, x1, y1] of view?.boxes ?? []) {
    const box = make("i");
    Object.assign(box.style, { left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%` });
    inner.append(box);
  }
  outer.append(inner);
  return outer;
}

function mark(view) {
  if (view?.right === undefined) return make("span");
  return make("span", view.right ? "good" : "bad", view.right ? "✓ correct" : "✗ wrong");
}

function card(place) {
  const { entry, view } = shown[place];
  const item = make("li", "card"), button = make("button");
  button.type = "button";
  button.append(frame(entry, view));
  const words = make("span", "words"), row = make("span", "row2");
  words.append(make("span", "label", view ? view.label : "failed"));
  row.append(make("span", view ? "" : "bad", view ? view.nothing ?? view.told : entry.error), mark(view));
  words.append(row, make("span", "name", entry.name.split("/").pop()));
  button.append(words);
  button.title = [view ? `${view.label}, ${view.told}` : entry.error, view?.nothing, entry.name].filter(Boolean).join("\n");
  button.addEventListener("click", () => open(Number(item.dataset.place)));
  item.append(button);
  return item;
}

// Which cards are in sight.

function measure() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const gap = 0.7 * rem, whole = grid.clientWidth;
  columns = Math.max(1, Math.floor((whole + gap) / (9.6 * rem + gap)));
  width = (whole + gap) / columns;
  height = width - gap + 5.2 * rem + gap;
  grid.style.height = `${Math.ceil(shown.length / columns) * height}px`;
  for (const [place, item] of cards) put(item, place, gap);
  draw();
}

function put(item, place, gap) {
  item.style.width = `${width - gap}px`;
  item.style.height = `${height - gap}px`;
  item.style.transform = `translate(${(place % columns) * width}px, ${Math.floor(place / columns) * height}px)`;
  item.dataset.place = place;
  item.ariaPosInSet = place + 1;
  item.ariaSetSize = shown.length;
}

function draw() {
  waiting = false;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / height) - 2) * columns;
  const last = Math.min(shown.length, (Math.ceil((top + innerHeight) / height) + 2) * columns);
  for (const [place, item] of cards) {
    if ((place < first || place >= last) && !item.contains(document.activeElement)) { item.remove(); cards.delete(place); }
  }
  let next = null; // in the order of reading, whatever was there before
  for (let place = last - 1; place >= first; place--) {
    let item = cards.get(place);
    if (!item) {
      item = card(place);
      put(item, place, 0.7 * rem);
      cards.set(place, item);
      grid.insertBefore(item, next);
    }
    next = item;
  }
}

const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };

// Which pictures are shown, and in which order.

const KINDS = [
  ["all", "all", () => true],
  ["right", "correct", (entry, view) => view?.right === true],
  ["wrong", "wrong", (entry, view) => view?.right === false],
  ["holds", "receipt holds", (entry, view) => view?.holds === true],
  ["fails", "receipt does not hold", (entry, view) => view?.holds === false],
  ["nothing", "nothing to see", (entry, view) => view?.nothing !== undefined],
  ["failed", "failed", (entry) => entry.error !== undefined],
];

function answers() {
  const question = Number($("question").value);
  return entries.map((entry) => ({ entry, view: entry.views.find((view) => view.question === question) }))
    .filter(({ entry, view }) => view || entry.error !== undefined);
}

function filter() {
  const text = $("text").value.trim().toLowerCase(), label = $("label").value, truth = $("truth").value;
  const kind = KINDS.find(([name]) => name === form.elements.kind.value)[2];
  const every = answers();
  shown = every.filter(({ entry, view }) => (!text || entry.name.toLowerCase().includes(text)) &&
    (!label || (view && "=" + view.label === label)) && (!truth || "=" + entry.truth === truth) && kind(entry, view));
  const order = $("sort").value, way = order.startsWith("-") ? -1 : 1;
  // What has no value comes last, whichever way.
  const by = order.endsWith("value")
    ? (a, b) => (a.view?.value === undefined) - (b.view?.value === undefined) || way * ((a.view?.value ?? 0) - (b.view?.value ?? 0))
    : (a, b) => way * names.compare(a.entry.name, b.entry.name);
  shown.sort(by);
  $("count").value = `${many.format(shown.length)} of ${many.format(entries.length)} shown` +
    (every.length < entries.length ? ` (${many.format(entries.length - every.length)} not explained so)` : "");
  grid.replaceChildren();
  cards = new Map();
  measure();
}

function choose(list, all, counts) {
  const before = list.value;
  list.replaceChildren(new Option(all, ""), ...[...counts].sort((a, b) => names.compare(a[0], b[0]))
    .map(([name, count]) => new Option(`${name} (${many.format(count)})`, "=" + name)));
  list.value = before;
  if (list.selectedIndex < 0) list.value = "";
}

function count(values) {
  const counts = new Map();
  for (const value of values) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

// Another question: other classes, other counts.
function ask() {
  const every = answers();
  choose($("label"), "all", count(every.map(({ view }) => view?.label)));
  choose($("truth"), "all", count(every.map(({ entry }) => entry.truth)));
  const chosen = form.elements.kind?.value, box = $("kinds");
  box.replaceChildren(box.firstElementChild);
  for (const [name, words, test] of KINDS) {
    const found = every.filter(({ entry, view }) => test(entry, view)).length;
    if (!found && name !== "all" && !(labelled && (name === "right" || name === "wrong"))) continue;
    const label = make("label"), input = make("input");
    Object.assign(input, { type: "radio", name: "kind", value: name, checked: name === "all", defaultChecked: name === "all" });
    if (name === chosen) input.checked = true;
    label.append(input, make("span", "", `${words} (${many.format(found)})`));
    box.append(label);
  }
  summarise(every);
  filter();
}

function summarise(every) {
  const rows = new Map();
  let right = 0, known = 0;
  for (const { view } of every) {
    if (!view) continue;
    const row = rows.get(view.label) ?? [0, 0, 0];
    row[0]++;
    if (view.right !== undefined) { row[view.right ? 1 : 2]++; known++; right += view.right; }
    rows.set(view.label, row);
  }
  $("summary").textContent = known
    ? `${many.format(right)} of ${many.format(known)} pictures with a label are answered correctly (${(100 * right / known).toFixed(1)} %).` : "";
  $("classes").hidden = rows.size === 0;
  $("classes").firstElementChild.textContent = `Classes (${many.format(rows.size)})`;
  document.querySelector("#classes tbody").replaceChildren(...[...rows].sort((a, b) => b[1][0] - a[1][0] || names.compare(a[0], b[0]))
    .map(([label, [all, good, bad]]) => {
      const row = make("tr"), head = make("th"), button = make("button", "", label);
      head.scope = "row";
      button.type = "button";
      button.addEventListener("click", () => { $("label").value = "=" + label; filter(); $("label").focus(); });
      head.append(button);
      row.append(head, ...[all, good, bad].map((value, place) => make("td", place ? "labelled" : "", many.format(value))));
      return row;
    }));
}
