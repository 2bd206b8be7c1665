// Shows that an answer is waited for, and keeps a form from being sent twice meanwhile.
import { all, isPlain, root } from "./dom.js";

const wait = () => root.classList.add("is-waiting");
const go = () => root.classList.remove("is-waiting");

function holdBack(form) {
  for (const button of all("button[type='submit'], button:not([type])", form)) {
    if (!button.disabled) { button.disabled = true; button.dataset.heldBack = ""; }
  }
}

// Where a link leads, if it leads to a page of ours that takes the place of this one.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || !isPlain(event)) return;
  const leavesThePage = !link.target && !link.download && link.origin === location.origin && link.getAttribute("href")[0] !== "#";
  if (leavesThePage) wait();
});
document.addEventListener("submit", (event) => {
  wait();
  // A second click would send it twice. htmx takes care of forms that it sends itself.
  const form = event.target;
  if (form.method === "post") setTimeout(() => { if (!event.defaultPrevented) holdBack(form); });
}, true);
// What a page asks for by itself, again and again, is nothing to wait for.
document.addEventListener("htmx:beforeRequest", (event) => { if (!event.target.closest("[data-quiet]")) wait(); });
document.addEventListener("htmx:afterRequest", go);
addEventListener("pageshow", () => {
  go();
  for (const button of all("[data-held-back]")) { button.disabled = false; delete button.dataset.heldBack; }
});
