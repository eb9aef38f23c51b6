// The viewer for notebooks. Names come from outside: they are set as text, never as markup.

const AXES = [["picture", "Picture"], ["model", "Model"], ["method", "Method"], ["label", "Class"]];
const STEPS = 20; // of opacity, as in viewing.py
const PATIENCE = 30000; // milliseconds without an answer, after which it is said that there is none

function make(tag, parent, properties = {}) {
  const node = document.createElement(tag);
  Object.assign(node, properties);
  parent?.append(node);
  return node;
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

async function pixelsOf(picture) {
  const bitmap = await createImageBitmap(new Blob([picture.png], { type: "image/png" }));
  const canvas = make("canvas", null, { width: picture.width, height: picture.height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0);
  return pen.getImageData(0, 0, picture.width, picture.height);
}

function blended(picture, steps, blend) {
  // picture · kept + colour, as Explanation.overlay does
  const made = new ImageData(picture.width, picture.height);
  for (let i = 0, at = 0; i < steps.length; i++, at += 4) {
    const from = 4 * steps[i];
    const keep = blend[from + 3] / 255;
    for (let c = 0; c < 3; c++) made.data[at + c] = Math.round(picture.data[at + c] * keep) + blend[from + c];
    made.data[at + 3] = 255;
  }
  return made;
}

function render({ model, el }) {
  const root = make("section", el, { className: "whylight-viewer" });
  root.setAttribute("aria-label", "Explanation");
  const found = make("p", root, { className: "found" });
  const label = make("strong", found);
  const told = make("span", found);
  const frame = make("div", root, { className: "picture" });
  const canvas = make("canvas", frame);
  canvas.setAttribute("role", "img");
  const note = make("div", frame, { className: "note", hidden: true });
  const legend = make("p", root, { className: "legend" });
  const low = make("span", legend);
  const bar = make("canvas", legend, { width: 256, height: 1 });
  bar.setAttribute("aria-hidden", "true");
  const high = make("span", legend);
  const controls = make("div", root, { className: "controls" });
  const status = make("p", root, { className: "status" });
  status.setAttribute("role", "status");

  const selects = {};
  for (const [axis, name] of AXES) {
    const wrap = make("label", controls);
    make("span", wrap, { textContent: name });
    selects[axis] = make("select", wrap);
    selects[axis].addEventListener("change", () => choose(axis, selects[axis].value));
  }
  const sliding = make("label", controls);
  make("span", sliding, { textContent: "Opacity" });
  const row = make("span", sliding, { className: "row" });
  const slider = make("input", row, { type: "range", min: 0, max: 100, step: 100 / STEPS });
  const percent = make("output", row);
  const asking = make("label", controls);
  make("span", asking, { textContent: "Other class" });
  const form = make("form", asking, { className: "row" });
  const other = make("input", form, { type: "text", placeholder: "name or index", autocomplete: "off" });
  other.dataset.lmSuppressShortcuts = "true"; // for a JupyterLab that hears keys before the page does
  const names = make("datalist", form, { id: `whylight-${Math.random().toString(36).slice(2)}` });
  other.setAttribute("list", names.id);
  const button = make("button", form, { type: "submit", textContent: "Explain" });

  const maps = () => model.get("maps");
  const now = () => maps()[model.get("chosen")] ?? maps()[0];
  const classes = () => model.get("classes")[now().classes] ?? [];
  const pictures = new Map();
  let listed = null;
  let drawing = 0;
  let waiting = 0;

  function choose(axis, value) {
    // of the maps with this value, the one that has most in common with the present one
    const common = (one) => AXES.filter(([name]) => one[name] === now()[name]).length;
    const fitting = maps().filter((one) => String(one[axis]) === value).sort((a, b) => common(b) - common(a));
    model.set("chosen", maps().indexOf(fitting[0]));
    model.save_changes();
  }

  function fill() {
    for (const [axis] of AXES) {
      const values = [...new Set(maps().map((one) => one[axis]))];
      const shown = (value) => (axis === "picture" ? model.get("pictures")[value].name : value);
      selects[axis].replaceChildren(
        ...values.map((value) => make("option", null, { value: String(value), textContent: shown(value) || "(no name)" })),
      );
      selects[axis].value = String(now()[axis]);
      selects[axis].parentElement.hidden = values.length < 2;
    }
    asking.hidden = classes().length === 0;
    if (listed !== classes()) {
      listed = classes();
      names.replaceChildren(...listed.map((name) => make("option", null, { value: name })));
    }
  }

  async function draw() {
    const turn = ++drawing;
    const one = now();
    const picture = model.get("pictures")[one.picture];
    if (!pictures.has(one.picture)) pictures.set(one.picture, pixelsOf(picture));
    const pixels = await pictures.get(one.picture);
    if (turn !== drawing) return; // something else was chosen meanwhile
    const step = Math.round(model.get("alpha") * STEPS);
    const blend = bytes(model.get("blends")).subarray(1024 * step, 1024 * (step + 1));
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d").putImageData(blended(pixels, bytes(one.steps), blend), 0, 0);
    label.textContent = one.label;
    const which = [one.method, one.model && `model ${one.model}`, picture.short].filter(Boolean).join(" · ");
    told.textContent = `, ${one.certainty} · ${which}`;
    found.title = picture.name;
    const words = `${one.label}, ${one.certainty}: ${one.note || `map of ${one.method}`} over ${picture.short}`;
    canvas.setAttribute("aria-label", words);
    note.textContent = one.note;
    note.hidden = !one.note;
    legend.hidden = one.high === "";
    low.textContent = one.low;
    high.textContent = `${one.high} ${one.units}`;
    slider.value = 100 * model.get("alpha");
    percent.textContent = `${slider.value} %`;
    slider.setAttribute("aria-valuetext", percent.textContent);
  }

  function update() {
    fill();
    draw();
  }

  slider.addEventListener("input", () => {
    model.set("alpha", slider.value / 100);
    model.save_changes();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = other.value.trim();
    const same = (name) => name.toLowerCase() === text.toLowerCase();
    let index = classes().indexOf(text);
    if (index < 0) index = classes().findIndex(same);
    if (index < 0 && /^\d+$/.test(text) && Number(text) < classes().length) index = Number(text);
    if (index < 0) {
      status.textContent = text ? `The model has no class called ${text}.` : "Which class? Type its name or index.";
      return;
    }
    const { picture, model: which, method } = now();
    const there = maps().findIndex(
      (one) => one.target === index && one.picture === picture && one.model === which && one.method === method,
    );
    if (there >= 0) {
      status.textContent = "";
      model.set("chosen", there);
      model.save_changes();
      return;
    }
    button.disabled = true;
    status.textContent = `Asking the model about ${classes()[index]} …`;
    model.send({ ask: index, of: maps().indexOf(now()) });
    waiting = setTimeout(() => {
      button.disabled = false;
      status.textContent = "No answer yet. Is the notebook's kernel running?";
    }, PATIENCE);
  });
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); // keys pressed here are no commands of the notebook
  });

  const heard = (message) => {
    clearTimeout(waiting);
    button.disabled = false;
    status.textContent = message.failed ? `That failed: ${message.failed}` : "";
    if (!message.failed) other.value = "";
  };
  const watched = ["maps", "chosen", "alpha", "pictures", "classes"];
  for (const name of watched) model.on(`change:${name}`, update);
  model.on("msg:custom", heard);

  const pen = bar.getContext("2d");
  const colours = bytes(model.get("colours"));
  const stripe = pen.createImageData(256, 1);
  for (let i = 0; i < 256; i++) stripe.data.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  pen.putImageData(stripe, 0, 0);
  update();
  return () => {
    for (const name of watched) model.off(`change:${name}`, update);
    model.off("msg:custom", heard);
    clearTimeout(waiting);
  };
}

export default { render };
