// Times: told in the viewer's zone, with UTC on hover; and read in it, to be sent in UTC.
import { all } from "./dom.js";

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const dayOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

export const moment = (at) => absolute.format(at);

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
  element.title = `${moment(at)} (${at.toISOString().replace("T", " ").slice(0, 19)} UTC)`;
  const form = element.dataset.time;
  if (form === "relative") element.textContent = distance(at);
  else if (form === "second") element.textContent = exact.format(at);
  else if (form === "day") element.textContent = dayOnly.format(at);
  else element.textContent = moment(at);
}

// The fields of a form in which a time of the zone is entered, each with the field that is sent in its place.
function localTimes(form) {
  const pairs = all("input[data-local-time]", form).map((input) => [input, form.querySelector(`input[name="${input.dataset.localTime}"]`)]);
  return pairs.filter(([, sent]) => sent);
}

function readLocalTimes(form) {
  for (const [input, sent] of localTimes(form)) sent.value = input.value ? new Date(input.value).toISOString() : "";
}

function showLocalTimes(form) {
  for (const [input, sent] of localTimes(form)) {
    const at = new Date(sent.value);
    if (!sent.value || Number.isNaN(at.getTime())) continue;
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    input.value = local.toISOString().slice(0, 16);
  }
}

// Tells the times of what is new on the page.
export function showTimes(within) {
  all("time[data-time]", within).forEach(showTime);
  all("form", within).forEach(showLocalTimes);
  for (const zone of all("[data-zone]", within)) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

document.addEventListener("submit", (event) => readLocalTimes(event.target), true);
document.addEventListener("htmx:configRequest", (event) => {
  const form = event.detail.elt.closest("form");
  if (!form) return;
  readLocalTimes(form);
  // htmx gathered its values before they were read.
  for (const [, sent] of localTimes(form)) event.detail.parameters[sent.name] = sent.value;
});
setInterval(() => all("time[data-time='relative']").forEach(showTime), 30000);
