// The log as it grows: rows come as they are answered, and stand on top.
import { all } from "./dom.js";
import { showTimes } from "./times.js";

// Rows on the page at most; older ones go.
const ROWS = 200;
// Milliseconds between two summaries: whoever has pages read to them is not told of each request.
const TOLD_EVERY = 5000;

const find = (name) => document.querySelector(`[data-live${name}]`);
const list = find("");
const rows = list.querySelector("tbody");
const pattern = find("-row").content.firstElementChild;
const state = find("-state");
const button = find("-pause");

let waiting = [];
let isPaused = false;
let isHeld = false;
let come = 0;
let refused = 0;

function rowOf(told) {
  const row = pattern.cloneNode(true);
  row.id = told.id;
  row.querySelector("time").dateTime = told.at;
  for (const part of all("[data-part]", row)) {
    part.textContent = told[part.dataset.part];
    part.hidden = told[part.dataset.part] === "";
  }
  for (const link of all("[data-leads]", row)) {
    const path = told[link.dataset.leads];
    if (path) link.setAttribute("href", path);
    else link.removeAttribute("href");
  }
  for (const part of all("[data-title]", row)) part.title = told[part.dataset.title];
  for (const badge of all("[data-tone]", row)) badge.className = `badge ${told[badge.dataset.tone]}`;
  showTimes(row);
  return row;
}

function show() {
  const label = button.querySelector("[data-label]");
  const doing = isPaused ? "Go on" : "Pause";
  label.textContent = waiting.length > 0 ? `${doing} (${waiting.length} waiting)` : doing;
}

// Puts what waits on the page, unless somebody is looking at what stands there.
function put() {
  if (!isPaused && !isHeld && waiting.length > 0) {
    for (const told of waiting) {
      if (!document.getElementById(told.id)) rows.prepend(rowOf(told));
    }
    waiting = [];
    while (rows.rows.length > ROWS) rows.lastElementChild.remove();
    list.hidden = false;
    find("-empty").hidden = true;
  }
  show();
}

function take(event) {
  const told = JSON.parse(event.data);
  come += told.length;
  refused += told.filter((row) => row.result !== "Allowed").length;
  if (waiting.length + told.length > ROWS) find("-left-out").hidden = false;
  waiting = waiting.concat(told).slice(-ROWS);
  put();
}

function summarise() {
  if (come === 0) return;
  find("-summary").textContent = `${come} new ${come === 1 ? "request" : "requests"}, ${refused} refused or failed`;
  come = 0;
  refused = 0;
}

function tell(word, tone) {
  state.hidden = false;
  state.textContent = word;
  state.className = `badge dot ${tone}`;
}

function hold(held) {
  isHeld = held;
  put();
}

const source = new EventSource(list.dataset.live);
source.addEventListener("open", () => tell("Live", "good"));
source.addEventListener("requests", take);
source.addEventListener("left-out", () => { find("-left-out").hidden = false; });
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) tell("Ended: load the page again", "bad");
  else tell("Connecting again", "warn");
});

button.hidden = false;
button.addEventListener("click", () => {
  isPaused = !isPaused;
  put();
});
list.addEventListener("mouseenter", () => hold(true));
list.addEventListener("mouseleave", () => hold(list.contains(document.activeElement)));
list.addEventListener("focusin", () => hold(true));
list.addEventListener("focusout", (event) => hold(list.contains(event.relatedTarget) || list.matches(":hover")));
setInterval(summarise, TOLD_EVERY);
addEventListener("pagehide", () => source.close());
