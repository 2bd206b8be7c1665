// What a form shows while it is filled in.
import { all, onClick } from "./dom.js";

// Dangerous buttons wait until the name of what they concern is typed.
function checkTyped(input) {
  const button = input.form && input.form.querySelector("[data-needs-typed]");
  // Spaces of any kind count as one, as they do for the server.
  if (button) button.disabled = input.value.trim().split(/\s+/).join(" ") !== input.dataset.typed;
}

function filterPicker(input) {
  const wanted = input.value.trim().toLowerCase();
  for (const option of all(".option", document.getElementById(input.dataset.filters))) {
    option.hidden = wanted !== "" && !option.textContent.toLowerCase().includes(wanted);
  }
}

// A password is shown to who types it, on demand.
function reveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  const shows = input.type === "password";
  input.type = shows ? "text" : "password";
  button.textContent = shows ? "Hide" : "Show";
  button.setAttribute("aria-pressed", String(shows));
}

// Examples that contain what is typed: data-mirrors="key_label", with what stands there before.
function mirror(form) {
  for (const part of all("[data-mirrors]", form)) {
    const field = form.elements[part.dataset.mirrors];
    if (field) part.textContent = field.value.trim() || part.dataset.otherwise;
  }
}

// Parts of a form that only matter for one choice of another field: data-shown-if="kind=virtual_llm".
function showMatching(form) {
  for (const part of all("[data-shown-if]", form)) {
    const [name, values] = part.dataset.shownIf.split("=");
    const field = form.elements[name];
    part.hidden = !field || !values.split("|").includes(field.value);
  }
}

// The token of a link stands behind its #, where browsers keep it; the form sends it.
function takeFromHash(input) {
  if (location.hash.length <= 1) return;
  input.value = location.hash.slice(1);
  input.closest(".field").hidden = true;
}

// A file is read into a field, whose form sends it: data-reads-into="table".
async function readFile(input) {
  const field = input.form?.elements[input.dataset.readsInto];
  if (field && input.files.length > 0) field.value = await input.files[0].text();
}

export function dressForms(within) {
  for (const part of all("[data-needs-script]", within)) part.hidden = false;
  all("input[data-typed]", within).forEach(checkTyped);
  all("form", within).forEach((form) => { showMatching(form); mirror(form); });
  for (const button of all("[data-reveal]", within)) button.hidden = false;
  all("input[data-from-hash]", within).forEach(takeFromHash);
}

onClick("[data-reveal]", reveal);
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.matches("[data-typed]")) checkTyped(field);
  if (field.matches("[data-filters]")) filterPicker(field);
  if (field.form) { showMatching(field.form); mirror(field.form); }
});
// A select in a toolbar filters at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-reads-into]")) readFile(event.target);
});
