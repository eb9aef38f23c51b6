// Times in the visitor's own time zone, and how long is left.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** Turn the times in a part of the page to local ones. */
export function local(root) {
  for (const time of root.querySelectorAll("time[data-clock]")) {
    const moment = new Date(time.dateTime);
    time.textContent = (Math.abs(moment - Date.now()) < 12 * 3600e3 ? clock : day).format(moment);
    delete time.dataset.clock;
  }
  count();
}

function count() {
  for (const left of document.querySelectorAll("[data-until]")) {
    const seconds = Math.max(0, (new Date(left.dataset.until) - Date.now()) / 1000);
    left.textContent =
      seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3600)} hours`;
  }
}

setInterval(count, 1000);
