// Pictures are chosen, dropped or pasted, shown at once, and sent one after the other; without this script the form sends them all.
const form = document.getElementById("send");
const picture = document.getElementById("picture");
const camera = document.getElementById("camera");
const list = document.getElementById("chosen");
const said = document.getElementById("said");
const go = document.getElementById("go");
const most = Number(form.dataset.most);
const mostFiles = Number(form.dataset.files);
const chosen = new Map(); // files by their lines in the list
let sending = false;

function megabytes(bytes) {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function tell(sentence) {
  said.textContent = sentence;
  said.hidden = !sentence;
}

function add(files) {
  if (sending) return;
  let left = 0;
  for (const file of files) {
    if (chosen.size < mostFiles) line(file);
    else left += 1;
  }
  list.hidden = chosen.size === 0;
  tell(left ? `At most ${mostFiles} pictures go at once; ${left} were left out.` : "");
  if (chosen.size) go.focus({ preventScroll: true });
}

function line(file) {
  const item = document.createElement("li");
  const image = new Image(72, 72);
  image.alt = "";
  image.src = URL.createObjectURL(file);
  image.onload = () => URL.revokeObjectURL(image.src);
  image.onerror = () => image.removeAttribute("src"); // the site says what is wrong with it
  const words = document.createElement("div");
  const name = document.createElement("p");
  name.className = "name";
  name.textContent = file.name;
  const state = document.createElement("p");
  state.className = "faint";
  state.setAttribute("role", "status");
  state.textContent = megabytes(file.size);
  words.append(name, state);
  const away = document.createElement("button");
  away.type = "button";
  away.className = "slight";
  away.textContent = "✕";
  away.title = "Remove";
  away.setAttribute("aria-label", `Remove ${file.name}`);
  away.onclick = () => {
    chosen.delete(item);
    item.remove();
    list.hidden = chosen.size === 0;
    (list.querySelector("button") || picture).focus();
  };
  item.append(image, words, away);
  list.append(item);
  chosen.set(item, { file, state, words, away });
}

function send(file, onProgress) {
  const data = new FormData(form);
  data.delete("picture");
  data.append("picture", file, "picture"); // its name stays here
  return new Promise((resolve) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => {
      try {
        resolve(JSON.parse(request.responseText));
      } catch {
        resolve({ error: "the site did not answer as it should; try again" });
      }
    };
    request.onerror = () => resolve({ error: "the site could not be reached, or closed the connection; try again" });
    request.send(data);
  });
}

async function one({ file, state, words, away }) {
  away.hidden = true;
  if (file.size > most) return { error: `this picture has ${megabytes(file.size)}; at most ${megabytes(most)} are taken` };
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Sending ${file.name}`);
  words.append(bar);
  state.className = "faint";
  state.textContent = "being sent";
  const answer = await send(file, (part) => {
    bar.value = part;
    if (part === 1) state.textContent = "being opened";
  });
  bar.remove();
  return answer;
}

async function all() {
  sending = true;
  go.setAttribute("aria-disabled", "true"); // not disabled: the focus stays
  tell("");
  const sent = [];
  let wrong = 0;
  for (const [item, entry] of [...chosen]) {
    const answer = await one(entry);
    if (answer.next) {
      sent.push(answer.next);
      chosen.delete(item);
      entry.state.className = "good";
      entry.state.textContent = "taken";
    } else {
      wrong += 1;
      entry.state.className = "bad";
      entry.state.textContent = `${answer.error}.`;
      entry.away.hidden = false;
    }
  }
  sending = false;
  go.removeAttribute("aria-disabled");
  if (!wrong) {
    location.assign(sent.length === 1 ? sent[0] : form.dataset.mine);
  } else if (sent.length) {
    tell(`${sent.length} taken, ${wrong} not. `);
    const link = document.createElement("a");
    link.href = sent.length === 1 ? sent[0] : form.dataset.mine;
    link.textContent = "See what was taken";
    said.append(link);
  }
}

form.addEventListener("submit", (event) => {
  if (event.submitter?.classList.contains("sample")) {
    picture.value = camera.value = "";
    return;
  }
  event.preventDefault();
  if (sending) return;
  if (chosen.size) all();
  else {
    tell("Choose a picture first.");
    picture.focus();
  }
});

for (const input of [picture, camera]) {
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
}

document.addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) {
    event.preventDefault();
    add(event.clipboardData.files);
  }
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("over");
  add(event.dataTransfer.files);
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // back from a result: begin anew
});
