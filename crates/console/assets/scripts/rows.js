// Choosing rows of a list, for what can be done to many at once.
import { all } from "./dom.js";

function countChosen(form) {
  const bar = form.querySelector("[data-bulk]");
  if (!bar) return;
  const rows = all("input[data-row]", form);
  const chosen = rows.filter((row) => row.checked).length;
  bar.hidden = chosen === 0;
  const count = bar.querySelector("[data-chosen]");
  if (count) count.textContent = String(chosen);
  const every = form.querySelector("input[data-every-row]");
  if (!every) return;
  every.checked = chosen > 0 && chosen === rows.length;
  every.indeterminate = chosen > 0 && chosen < rows.length;
}

export const countRows = (within) => all("form", within).forEach(countChosen);

document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.matches("[data-every-row]")) for (const row of all("input[data-row]", field.form)) row.checked = field.checked;
  if (field.form) countChosen(field.form);
});
