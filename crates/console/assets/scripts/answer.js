// The answer to a call of the playground.

const find = (selector) => document.querySelector(selector);
// Longest answer that is shown; a longer one is cut.
const SHOWN = 200000;

const pretty = (text) => {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
};

const size = (bytes) => (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`);

function show(status, tone, text, time, headers) {
  const outcome = find("[data-outcome]");
  outcome.hidden = false;
  const badge = find("[data-status]");
  badge.textContent = status;
  badge.className = `badge dot ${tone}`;
  find("[data-time]").textContent = time === null ? "" : `${time} ms`;
  find("[data-size]").textContent = time === null ? "" : size(new Blob([text]).size);
  const told = pretty(text);
  find("#answer-body").textContent = told.length > SHOWN ? `${told.slice(0, SHOWN)}\n… cut here` : told || "No body.";
  find("[data-headers]").textContent = headers;
  outcome.scrollIntoView({ block: "nearest" });
}

// Shows an answer with its text, and after how many milliseconds it was there.
export function showAnswer(answer, text, time) {
  const tone = answer.ok ? "good" : answer.status >= 500 ? "bad" : "warn";
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  show(`${answer.status} ${answer.statusText}`.trim(), tone, text, time, headers);
}

// Says why a call was not sent.
export function showFailure(error) {
  const what = error instanceof SyntaxError ? `The body is no JSON: ${error.message}` : error.message;
  show("Not sent", "bad", what, null, "");
}
