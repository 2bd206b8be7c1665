// Charts of requests, events and money over time, drawn by uPlot from what stands in the page.
import { all, root } from "./dom.js";
import { moment } from "./times.js";

const TWO_DAYS = 172800;

const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

// What stands below a chart. Where days are told, each is told once.
function ticks(times) {
  const tellsDays = times[times.length - 1] - times[0] > TWO_DAYS;
  const format = new Intl.DateTimeFormat(undefined, tellsDays ? { day: "numeric", month: "short" } : { hour: "numeric", minute: "2-digit" });
  return (seconds) => {
    const at = new Date(seconds * 1000);
    return tellsDays && at.getHours() !== 0 ? "" : format.format(at);
  };
}

// The same below a chart of days that are those of UTC.
function utcTicks() {
  const format = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  return (seconds) => {
    const at = new Date(seconds * 1000);
    return at.getUTCHours() === 0 ? format.format(at) : "";
  };
}

// What all charts have in common: `tick` tells a moment, and `value` an amount.
function frame(holder, times, tick, value) {
  // A bar stands on its step, so half a step more is shown at either end.
  const half = times.length > 1 ? (times[1] - times[0]) / 2 : 1800;
  const axis = { stroke: colour("--ink-faint"), grid: { stroke: colour("--chart-grid"), width: 1 }, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
  return {
    width: holder.clientWidth, height: holder.clientHeight, legend: { show: false }, cursor: { y: false, points: { show: false } },
    scales: { x: { time: true, range: (_, first, last) => [first - half, last + half] } },
    axes: [{ ...axis, size: 30, space: 72, values: (_, values) => values.map(tick) }, { ...axis, size: 46, values: (_, values) => values.map(value) }],
  };
}

function bar(label, value) {
  const paths = window.uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 });
  return { label, stroke: colour(value), fill: colour(value), width: 0, paths, points: { show: false } };
}

// Requests: those that were refused stand on those that were allowed.
function options(holder, times) {
  // Two digits behind the point tell every tick exactly: 1.25K.
  const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });
  const whole = (value) => (Number.isInteger(value) ? compact.format(value) : "");
  const own = frame(holder, times, ticks(times), whole);
  own.scales.y = { range: (_, __, most) => [0, Math.max(4, most * 1.12)] };
  return { ...own, series: [{}, bar("Refused", "--chart-refused"), bar("Allowed", "--chart-allowed")] };
}

// Money, day by day of UTC. Corrections can bring a day below nothing.
function moneyOptions(holder, times) {
  const dollars = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", notation: "compact", maximumFractionDigits: 4 });
  const own = frame(holder, times, utcTicks(), (value) => dollars.format(value));
  own.axes[1].size = 62;
  own.scales.y = { range: (_, least, most) => [Math.min(0, least * 1.12), Math.max(0.01, most * 1.12)] };
  return { ...own, tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"), series: [{}, bar("Spent", "--chart-allowed")] };
}

// Tells the numbers of the step that the pointer is at.
function followPointer(plot, place, tell) {
  plot.over.addEventListener("mousemove", () => {
    const at = plot.cursor.idx;
    if (at === null || at === undefined) return;
    place.textContent = tell(at);
  });
  plot.over.addEventListener("mouseleave", () => { place.textContent = ""; });
}

// A chart of requests, and what is told of one of its steps.
function drawRequests(holder, read) {
  // Refusals stand on what was allowed, so the taller series is drawn first.
  const total = read.allowed.map((allowed, index) => allowed + read.refused[index]);
  const plot = new window.uPlot(options(holder, read.times), [read.times, total, read.allowed], holder);
  const good = holder.dataset.chartGood || "allowed";
  return [plot, (at) => `${moment(new Date(read.times[at] * 1000))}: ${read.allowed[at]} ${good}, ${read.refused[at]} refused`];
}

// The same of money.
function drawMoney(holder, read) {
  const dollars = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", maximumFractionDigits: 4 });
  const plot = new window.uPlot(moneyOptions(holder, read.times), [read.times, read.spent], holder);
  return [plot, (at) => `${read.days[at]}: ${dollars.format(read.spent[at])}`];
}

function draw(holder) {
  const read = JSON.parse(holder.dataset.chart);
  if (holder.firstChild || !window.uPlot || read.times.length === 0) return;
  const [plot, tell] = read.spent ? drawMoney(holder, read) : drawRequests(holder, read);
  const place = holder.parentElement.querySelector("[data-chart-hover]");
  if (place) followPointer(plot, place, tell);
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
