// What the console's pages do beyond links and forms. Everything works without it, except copying and charts.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

  // ----- Times: in the viewer's zone, with UTC on hover.

  const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const dayOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

  function distance(at) {
    const seconds = Math.round((at - Date.now()) / 1000);
    for (const [unit, length] of UNITS) {
      if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
    }
    return seconds > 0 ? "in less than a minute" : "just now";
  }

  function showTime(element) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    element.title = `${absolute.format(at)} (${at.toISOString().replace("T", " ").slice(0, 19)} UTC)`;
    const form = element.dataset.time;
    if (form === "relative") element.textContent = distance(at);
    else if (form === "day") element.textContent = dayOnly.format(at);
    else element.textContent = absolute.format(at);
  }

  // A moment that is entered in the viewer's zone is sent in UTC.
  function readLocalTimes(form) {
    for (const input of all("input[data-local-time]", form)) {
      const sent = form.querySelector(`input[name="${input.dataset.localTime}"]`);
      if (sent) sent.value = input.value ? new Date(input.value).toISOString() : "";
    }
  }

  function showLocalTimes(within) {
    for (const input of all("input[data-local-time]", within)) {
      const sent = input.form && input.form.querySelector(`input[name="${input.dataset.localTime}"]`);
      if (!sent || !sent.value) continue;
      const at = new Date(sent.value);
      if (Number.isNaN(at.getTime())) continue;
      const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
      input.value = local.toISOString().slice(0, 16);
    }
  }

  // ----- Charts

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function drawChart(holder) {
    const read = JSON.parse(holder.dataset.chart);
    if (holder.firstChild || !window.uPlot || read.times.length === 0) return;
    const compact = new Intl.NumberFormat(undefined, { notation: "compact" });
    const span = read.times[read.times.length - 1] - read.times[0];
    const moment = new Intl.DateTimeFormat(undefined, span > 172800 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" });
    // Where days are told, each is told once.
    const tick = (seconds) => {
      const at = new Date(seconds * 1000);
      return span > 172800 && at.getHours() !== 0 ? "" : moment.format(at);
    };
    // A bar stands on its step, so half a step more is shown at either end.
    const half = read.times.length > 1 ? (read.times[1] - read.times[0]) / 2 : 1800;
    const axis = { stroke: colour("--ink-faint"), grid: { stroke: colour("--chart-grid"), width: 1 }, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
    const bars = window.uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 });
    const line = (label, value) => ({ label, stroke: colour(value), fill: colour(value), width: 0, paths: bars, points: { show: false } });
    // Refusals stand on what was allowed, so the taller series is drawn first.
    const total = read.allowed.map((allowed, index) => allowed + read.refused[index]);
    const options = {
      width: holder.clientWidth, height: holder.clientHeight, legend: { show: false }, cursor: { y: false, points: { show: false } },
      scales: { x: { time: true, range: (_, first, last) => [first - half, last + half] }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.12)] } },
      axes: [{ ...axis, size: 30, space: 72, values: (_, values) => values.map(tick) }, { ...axis, size: 46, values: (_, values) => values.map((value) => (Number.isInteger(value) ? compact.format(value) : "")) }],
      series: [{}, line("Refused", "--chart-refused"), line("Allowed", "--chart-allowed")],
    };
    const plot = new window.uPlot(options, [read.times, total, read.allowed], holder);
    const hover = holder.parentElement.querySelector("[data-chart-hover]");
    if (hover) {
      plot.over.addEventListener("mousemove", () => {
        const at = plot.cursor.idx;
        if (at === null || at === undefined) return;
        hover.textContent = `${absolute.format(new Date(read.times[at] * 1000))}: ${read.allowed[at]} allowed, ${read.refused[at]} refused`;
      });
      plot.over.addEventListener("mouseleave", () => { hover.textContent = ""; });
    }
    new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: holder.clientHeight })).observe(holder);
  }

  function redrawCharts() {
    for (const holder of all("[data-chart]")) {
      holder.replaceChildren();
      drawChart(holder);
    }
  }

  // ----- Copying and saving

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-label]") || button;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      label.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { label.textContent = before; }, 2000);
  }

  function save(button) {
    const text = document.getElementById(button.dataset.save).textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = button.dataset.saveAs;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // ----- The panel: pages that open over the page they belong to

  const panel = () => document.getElementById("panel");
  let opener = null;

  function openPanel(link) {
    // A menu has served; what opened it is where one comes back to.
    const menu = link.closest("details.menu");
    if (menu) menu.open = false;
    opener = menu ? menu.querySelector("summary") : link;
    const dialog = panel();
    dialog.classList.toggle("box", link.dataset.panel === "box");
    document.getElementById("panel-content").replaceChildren();
    dialog.showModal();
    window.htmx.ajax("GET", link.getAttribute("href"), { target: "#panel-content", swap: "innerHTML" });
  }

  function closePanel() {
    // A secret that was shown is not left behind in the page.
    document.getElementById("panel-content").replaceChildren();
    panel().close();
    if (opener) opener.focus();
    // What was made or changed behind the panel is shown.
    if (panel().dataset.stale) location.reload();
  }

  // ----- Forms

  // Dangerous buttons wait until the name of what they concern is typed.
  function checkTyped(input) {
    const button = input.form && input.form.querySelector("[data-needs-typed]");
    if (button) button.disabled = input.value.trim() !== input.dataset.typed;
  }

  function holdBack(form) {
    for (const button of all("button[type='submit'], button:not([type])", form)) {
      if (!button.disabled) { button.disabled = true; button.dataset.heldBack = ""; }
    }
  }

  function filterPicker(input) {
    const wanted = input.value.trim().toLowerCase();
    for (const option of all(".option", document.getElementById(input.dataset.filters))) {
      option.hidden = wanted !== "" && !option.textContent.toLowerCase().includes(wanted);
    }
  }

  function countChosen(form) {
    const chosen = all("input[data-row]:checked", form);
    const bar = form.querySelector("[data-bulk]");
    if (!bar) return;
    bar.hidden = chosen.length === 0;
    const count = bar.querySelector("[data-chosen]");
    if (count) count.textContent = String(chosen.length);
    const every = form.querySelector("input[data-every-row]");
    if (every) {
      const rows = all("input[data-row]", form);
      every.checked = chosen.length > 0 && chosen.length === rows.length;
      every.indeterminate = chosen.length > 0 && chosen.length < rows.length;
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

  // ----- Theme

  function chooseTheme(theme) {
    root.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `keystile-theme=${theme}; Path=/console; Max-Age=31536000; SameSite=Strict${secure}`;
    redrawCharts();
  }

  function toggleTheme() {
    const dark = root.dataset.theme === "dark" || (root.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    chooseTheme(dark ? "light" : "dark");
  }

  // ----- Navigation on small screens

  function toggleMenu(open) {
    const sidebar = document.getElementById("sidebar");
    const button = document.querySelector("[data-menu]");
    sidebar.classList.toggle("open", open);
    button.setAttribute("aria-expanded", String(open));
    const scrim = document.querySelector("[data-scrim]");
    scrim.hidden = !open;
    if (open) sidebar.querySelector("a").focus();
    else button.focus();
  }

  // ----- Everything that is new on the page

  function dress(within) {
    all("time[data-time]", within).forEach(showTime);
    all("[data-chart]", within).forEach(drawChart);
    all("input[data-typed]", within).forEach(checkTyped);
    all("form", within).forEach((form) => { showMatching(form); countChosen(form); mirror(form); });
    for (const button of all("[data-reveal]", within)) button.hidden = false;
    showLocalTimes(within);
    for (const zone of all("[data-zone]", within)) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
    // The token of a link stands behind its #, where browsers keep it; the form sends it.
    for (const input of all("input[data-from-hash]", within)) {
      if (location.hash.length <= 1) continue;
      input.value = location.hash.slice(1);
      input.closest(".field").hidden = true;
    }
  }

  document.addEventListener("click", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
    const at = (selector) => event.target.closest(selector);
    const opening = at("a[data-panel]");
    if (opening && plain && window.htmx) { event.preventDefault(); openPanel(opening); return; }
    if (at("[data-close-panel]") && panel()?.open) { event.preventDefault(); closePanel(); return; }
    if (at("[data-copy]")) { copy(at("[data-copy]")); return; }
    if (at("[data-save]")) { save(at("[data-save]")); return; }
    if (at("[data-reveal]")) { reveal(at("[data-reveal]")); return; }
    if (at("[data-theme-toggle]")) { toggleTheme(); return; }
    if (at("[data-menu]")) { toggleMenu(!document.getElementById("sidebar").classList.contains("open")); return; }
    if (at("[data-scrim]")) { toggleMenu(false); return; }
    if (at("[data-dismiss]")) { at(".told, .alert").remove(); return; }
    const link = at("a[href]");
    if (link && plain && !link.target && !link.download && link.origin === location.origin && link.getAttribute("href")[0] !== "#") root.classList.add("is-waiting");
    for (const open of all("details.menu[open]")) if (!open.contains(event.target)) open.open = false;
  });

  document.addEventListener("submit", (event) => {
    readLocalTimes(event.target);
    root.classList.add("is-waiting");
    // A second click would send it twice. htmx takes care of forms that it sends itself.
    const form = event.target;
    if (form.method === "post") setTimeout(() => { if (!event.defaultPrevented) holdBack(form); });
  }, true);

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-typed]")) checkTyped(field);
    if (field.matches("[data-filters]")) filterPicker(field);
    if (field.matches("[data-every-row]")) for (const row of all("input[data-row]", field.form)) row.checked = field.checked;
    if (field.form) { countChosen(field.form); showMatching(field.form); mirror(field.form); }
  });

  // A select in a toolbar filters at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.getElementById("sidebar")?.classList.contains("open")) { toggleMenu(false); return; }
    if (event.key === "Escape") for (const open of all("details.menu[open]")) { open.open = false; open.querySelector("summary").focus(); }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || panel()?.open) return;
    const target = document.querySelector(`[data-shortcut="${CSS.escape(event.key)}"]`);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input")) target.focus();
    else target.click();
  });

  document.addEventListener("cancel", (event) => {
    if (event.target.id === "panel") { event.preventDefault(); closePanel(); }
  }, true);

  document.addEventListener("htmx:beforeRequest", () => root.classList.add("is-waiting"));
  document.addEventListener("htmx:afterRequest", () => root.classList.remove("is-waiting"));
  document.addEventListener("htmx:configRequest", (event) => {
    const form = event.detail.elt.closest("form");
    // Local times were read by then, but htmx gathered its values before.
    if (!form) return;
    readLocalTimes(form);
    for (const input of all("input[data-local-time]", form)) {
      const sent = form.querySelector(`input[name="${input.dataset.localTime}"]`);
      if (sent) event.detail.parameters[sent.name] = sent.value;
    }
  });
  document.addEventListener("htmx:load", (event) => dress(event.detail.elt));
  document.addEventListener("htmx:afterSwap", (event) => {
    const changed = event.detail.target;
    if (changed.id !== "panel-content") return;
    if (changed.querySelector("[data-stale]")) panel().dataset.stale = "yes";
    const first = changed.querySelector("[aria-invalid='true'], [autofocus], h1");
    if (first) { if (first.matches("h1")) first.tabIndex = -1; first.focus(); }
  });
  document.addEventListener("htmx:sendError", () => {
    const content = document.getElementById("panel-content");
    if (content) content.textContent = "Keystile did not answer. Check the connection and try again.";
  });

  addEventListener("pageshow", () => {
    root.classList.remove("is-waiting");
    for (const button of all("[data-held-back]")) { button.disabled = false; delete button.dataset.heldBack; }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
  setInterval(() => all("time[data-time='relative']").forEach(showTime), 30000);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => dress(document));
  else dress(document);
})();
