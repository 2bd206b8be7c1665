// Light or dark, as the viewer chooses.
import { onClick, root } from "./dom.js";
import { redrawCharts } from "./charts.js";

function choose(theme) {
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `keystile-theme=${theme}; Path=/console; Max-Age=31536000; SameSite=Strict${secure}`;
  redrawCharts();
}

function isDark() {
  const chosen = root.dataset.theme;
  return chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}

onClick("[data-theme-toggle]", () => choose(isDark() ? "light" : "dark"));
