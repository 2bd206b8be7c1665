// The navigation on small screens, and menus that close by themselves.
import { all, onClick } from "./dom.js";

const sidebar = () => document.getElementById("sidebar");
const isOpen = () => Boolean(sidebar()?.classList.contains("open"));

function showSidebar(open) {
  const button = document.querySelector("[data-menu]");
  sidebar().classList.toggle("open", open);
  button.setAttribute("aria-expanded", String(open));
  document.querySelector("[data-scrim]").hidden = !open;
  if (open) sidebar().querySelector("a").focus();
  else button.focus();
}

// The page that is shown is in sight among the others, also where those are scrolled.
function showWhere() {
  const nav = document.querySelector(".nav");
  const place = nav?.querySelector("[aria-current]");
  if (!place) return;
  const below = place.offsetTop + 2 * place.offsetHeight - nav.clientHeight;
  if (below > 0) nav.scrollTop = below;
}

showWhere();
onClick("[data-menu]", () => showSidebar(!isOpen()));
onClick("[data-scrim]", () => showSidebar(false));
document.addEventListener("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (isOpen()) { showSidebar(false); return; }
  for (const menu of all("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
});
