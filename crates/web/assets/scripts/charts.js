// Charts of requests and events over time, drawn by uPlot from what stands in the page.
import { all, root } from "./dom.js";
import { moment } from "./times.js";

const TWO_DAYS = 172800;

const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

// What stands below a chart. Where days are told, each is told once.
function ticks(times) {
  const tellsDays = times[times.length - 1] - times[0] > TWO_DAYS;
  const format = new Intl.DateTimeFormat(undefined, tellsDays ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" });
  return (seconds) => {
    const at = new Date(seconds * 1000);
    return tellsDays && at.getHours() !== 0 ? "" : format.format(at);
  };
}

function options(holder, times) {
  const compact = new Intl.NumberFormat(undefined, { notation: "compact" });
  const tick = ticks(times);
  // A bar stands on its step, so half a step more is shown at either end.
  const half = times.length > 1 ? (times[1] - times[0]) / 2 : 1800;
  const axis = { stroke: colour("--ink-faint"), grid: { stroke: colour("--chart-grid"), width: 1 }, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
  const bars = window.uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 });
  const line = (label, value) => ({ label, stroke: colour(value), fill: colour(value), width: 0, paths: bars, points: { show: false } });
  return {
    width: holder.clientWidth, height: holder.clientHeight, legend: { show: false }, cursor: { y: false, points: { show: false } },
    scales: { x: { time: true, range: (_, first, last) => [first - half, last + half] }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.12)] } },
    axes: [{ ...axis, size: 30, space: 72, values: (_, values) => values.map(tick) }, { ...axis, size: 46, values: (_, values) => values.map((value) => (Number.isInteger(value) ? compact.format(value) : "")) }],
    series: [{}, line("Refused", "--chart-refused"), line("Allowed", "--chart-allowed")],
  };
}

// Tells the numbers of the step that the pointer is at.
function followPointer(plot, read, place, good) {
  plot.over.addEventListener("mousemove", () => {
    const at = plot.cursor.idx;
    if (at === null || at === undefined) return;
    place.textContent = `${moment(new Date(read.times[at] * 1000))}: ${read.allowed[at]} ${good}, ${read.refused[at]} refused`;
  });
  plot.over.addEventListener("mouseleave", () => { place.textContent = ""; });
}

function draw(holder) {
  const read = JSON.parse(holder.dataset.chart);
  if (holder.firstChild || !window.uPlot || read.times.length === 0) return;
  // Refusals stand on what was allowed, so the taller series is drawn first.
  const total = read.allowed.map((allowed, index) => allowed + read.refused[index]);
  const plot = new window.uPlot(options(holder, read.times), [read.times, total, read.allowed], holder);
  const place = holder.parentElement.querySelector("[data-chart-hover]");
  if (place) followPointer(plot, read, place, holder.dataset.chartGood || "allowed");
  new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: holder.clientHeight })).observe(holder);
}

export const drawCharts = (within) => all("[data-chart]", within).forEach(draw);

// Draws all of them in the colours that hold now.
export function redrawCharts() {
  for (const holder of all("[data-chart]")) {
    holder.replaceChildren();
    draw(holder);
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
