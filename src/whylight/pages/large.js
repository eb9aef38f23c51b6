// One picture, large; then what people press, and the start. Follows gallery.js in the same script.

function open(place) {
  at = place;
  const { entry, view } = shown[place];
  const which = large.querySelector(".which"), list = which.querySelector("select");
  list.replaceChildren(...entry.views.map((one, number) => new Option(questions[one.question].name, number)));
  list.value = entry.views.indexOf(view);
  which.hidden = entry.views.length < 2;
  tell(entry, view);
  large.querySelector(".before").disabled = at === 0;
  large.querySelector(".after").disabled = at === shown.length - 1;
  if (!large.open) large.showModal();
  if (!large.contains(document.activeElement) || document.activeElement.disabled) large.querySelector(".close").focus();
  large.scrollTop = 0;
}

function tell(entry, view) {
  const find = (kind) => large.querySelector("." + kind);
  find("picture").replaceChildren(frame(entry, view));
  $("what").textContent = view ? view.label : "No answer";
  find("sure").replaceChildren(view ? view.told + " " : "", mark(view));
  find("told").querySelector(".name").textContent = entry.name;
  find("sentence").textContent = [view?.sentence, entry.error].filter(Boolean).join(" ");
  find("receipt").replaceChildren();
  if (view?.receipt) {
    const verdict = view.holds == null ? "" : view.holds ? "Receipt holds: " : "Receipt does not hold: ";
    find("receipt").append(make("span", view.holds ? "good" : "bad", verdict), view.receipt);
  }
  const facts = view ? [...(view.facts ?? []), ...(questions[view.question].facts ?? [])] : [];
  if (entry.truth !== undefined) facts.unshift(["Label", entry.truth]);
  large.querySelector("dl").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  find("links").replaceChildren();
  if (view?.file) {
    const link = make("a", "", "Full-size result");
    link.href = view.file;
    link.target = "_blank";
    link.rel = "noopener";
    find("links").append(link, make("span", "faint", " (where this page lies in its folder)"));
  }
}

function step(by) {
  if (shown[at + by]) open(at + by);
}

// Back to the card of the picture that was last looked at.
function back() {
  const top = grid.getBoundingClientRect().top + Math.floor(at / columns) * height;
  if (top < 60 || top + height > innerHeight) scrollBy({ top: top - innerHeight / 3, behavior: "instant" });
  draw();
  cards.get(at)?.firstElementChild.focus({ preventScroll: true });
}

function shut() {
  large.close();
  back();
}

function show(on) {
  overlay = on;
  document.body.classList.toggle("bare", !on);
  $("overlay").ariaChecked = String(on);
  large.querySelector(".toggle").ariaPressed = String(on);
}

large.querySelector(".which select").addEventListener("change", (event) => {
  const { entry } = shown[at];
  tell(entry, entry.views[Number(event.target.value)]);
});
large.querySelector(".before").addEventListener("click", () => step(-1));
large.querySelector(".after").addEventListener("click", () => step(1));
large.querySelector(".close").addEventListener("click", shut);
large.querySelector(".toggle").addEventListener("click", () => show(!overlay));
large.addEventListener("click", (event) => { if (event.target === large) shut(); });
large.addEventListener("close", back); // by Esc
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input[type=search], select, textarea")) return;
  if (event.key.toLowerCase() === "o") show(!overlay);
  else if (large.open && event.key === "ArrowLeft") step(-1);
  else if (large.open && event.key === "ArrowRight") step(1);
  else return;
  event.preventDefault();
});

$("overlay").addEventListener("click", () => show(!overlay));
$("strength").addEventListener("input", (event) => document.documentElement.style.setProperty("--strength", event.target.value / 100));
$("question").addEventListener("change", ask);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", (event) => { if (event.target.id !== "question") filter(); });
form.addEventListener("reset", () => setTimeout(ask));
addEventListener("scroll", later, { passive: true });
addEventListener("resize", measure);

const layers = entries.some((entry) => entry.views.some((view) => view.layer !== undefined && view.kind !== "whole"));
const over = layers || entries.some((entry) => entry.views.some((view) => view.layer !== undefined || view.boxes));
$("cover").hidden = !layers;
$("overlay").hidden = large.querySelector(".toggle").hidden = !over;
document.documentElement.style.setProperty("--usual", data.strength);
document.documentElement.style.setProperty("--strength", data.strength);
$("strength").value = Math.round(100 * data.strength);
$("question").append(...questions.map((question, place) => new Option(question.name, place)));
$("asked").hidden = questions.length < 2;
$("sieve").open = innerWidth > 700; // on a phone the pictures come first
ask();
