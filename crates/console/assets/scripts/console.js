// What the console's pages do beyond links and forms. Everything works without it, except copying and charts.
import { onClick } from "./dom.js";
import { showTimes } from "./times.js";
import { drawCharts } from "./charts.js";
import { dressForms } from "./forms.js";
import { countRows } from "./rows.js";
import "./copying.js";
import "./menus.js";
import "./panel.js";
import "./shortcuts.js";
import "./theme.js";
// Last, as it looks at what became of a click.
import "./progress.js";

// Brings what is new on the page to life.
function dress(within) {
  showTimes(within);
  drawCharts(within);
  dressForms(within);
  countRows(within);
}

onClick("[data-dismiss]", (button) => button.closest(".told, .alert").remove());
document.addEventListener("htmx:load", (event) => dress(event.detail.elt));
// Modules run when the whole page is there.
dress(document);
