// The panel: pages that open over the page they belong to.
import { isPlain, onClick } from "./dom.js";

const panel = () => document.getElementById("panel");
const content = () => document.getElementById("panel-content");
let opener = null;

export const isPanelOpen = () => Boolean(panel()?.open);

function open(link) {
  // A menu has served; what opened it is where one comes back to.
  const menu = link.closest("details.menu");
  if (menu) menu.open = false;
  opener = menu ? menu.querySelector("summary") : link;
  panel().classList.toggle("box", link.dataset.panel === "box");
  content().replaceChildren();
  panel().showModal();
  window.htmx.ajax("GET", link.getAttribute("href"), { target: "#panel-content", swap: "innerHTML" });
}

function close() {
  // A secret that was shown is not left behind in the page.
  content().replaceChildren();
  panel().close();
  if (opener) opener.focus();
  // What was made or changed behind the panel is shown.
  if (panel().dataset.stale) location.reload();
}

onClick("a[data-panel]", (link, event) => {
  if (!isPlain(event) || !window.htmx) return;
  event.preventDefault();
  open(link);
});
onClick("[data-close-panel]", (_, event) => {
  if (!isPanelOpen()) return;
  event.preventDefault();
  close();
});
document.addEventListener("cancel", (event) => {
  if (event.target !== panel()) return;
  event.preventDefault();
  close();
}, true);
document.addEventListener("htmx:afterSwap", (event) => {
  const changed = event.detail.target;
  if (changed !== content()) return;
  if (changed.querySelector("[data-stale]")) panel().dataset.stale = "yes";
  const first = changed.querySelector("[aria-invalid='true'], [autofocus], h1");
  if (!first) return;
  if (first.matches("h1")) first.tabIndex = -1;
  first.focus();
});
// A refusal has its place in the panel. It never takes the place of what a page shows already.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status >= 400 && target.matches(".found, .page")) event.detail.shouldSwap = false;
  // What asks again and again, and is refused for good, would ask for ever: the whole page tells why.
  if (xhr.status >= 400 && xhr.status < 500 && target.matches("[data-quiet]")) location.reload();
});
document.addEventListener("htmx:sendError", () => {
  if (content()) content().textContent = "Keystile did not answer. Check the connection and try again.";
});
