// The compare page: all maps with one opacity and one set of colours, each on its own scale or all on one.

import { colours, heat, paint, table } from "./heat.js";

const OWN = "Each map has a scale of its own: the strongest colour is its own strongest evidence, however weak that is beside the others'.";

async function draw() {
  const form = document.querySelector("form[data-look]");
  const grid = document.querySelector("[data-cells]");
  if (!form || !grid) return;
  const { alpha, colormap, scale } = form.elements;
  const cells = [...grid.querySelectorAll("[data-heat]")];
  const units = [...new Set(cells.map((cell) => cell.dataset.units))];
  const most = Math.max(...cells.map((cell) => Number(cell.dataset.reach)));
  const shared = scale.value === "shared" && units.length === 1 && most > 0;
  scale.options[1].disabled = units.length > 1;
  if (units.length > 1) scale.value = "own";
  told(
    shared
      ? `On a shared scale, a colour means the same number (${units[0]}) in every map.`
      : units.length > 1
        ? `These maps are measured in different units (${units.sort().join(", ")}), so each has a scale of its own: the strongest colour is each map's own strongest evidence.`
        : OWN,
  );
  const tables = await colours(grid.dataset.colours);
  await Promise.all(
    cells.map(async (cell) => {
      const canvas = cell.querySelector("canvas");
      if (cell.dataset.flat) return; // empty, as it is
      const steps = await heat(cell.dataset.heat);
      const part = shared ? Number(cell.dataset.reach) / most : 1;
      paint(canvas, steps, table(tables, colormap.value, alpha.value / 100, part));
      canvas.hidden = false;
    }),
  );
  grid.dataset.drawn = `${cells.length} ${colormap.value} ${alpha.value} ${shared ? "shared" : "own"}`;
}

function told(words) {
  const place = document.querySelector("[data-scale]");
  if (place.textContent !== words) place.textContent = words;
}

const form = document.querySelector("form[data-look]");
form?.addEventListener("input", draw);
form?.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("htmx:afterSettle", draw);
draw();
