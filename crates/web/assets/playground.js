// The playground: sends the call that a page describes, as the person who is signed in. The token lives in this closure alone.

(() => {
  "use strict";

  const form = document.querySelector("[data-playground]");
  if (!form) return;
  const find = (selector) => document.querySelector(selector);
  const fields = (place) => [...form.querySelectorAll(`[data-parameter="${place}"]`)].filter((field) => field.value !== "");
  const { method, path, media, tokenPath } = form.dataset;
  // Longest answer that is shown; a longer one is cut.
  const SHOWN = 200000;
  // A token that is this old is not used any more; it lasts for an hour.
  const TOKEN_AGE = 50 * 60 * 1000;

  let lent = null;

  async function token() {
    if (lent && Date.now() - lent.at < TOKEN_AGE) return lent.text;
    const body = new URLSearchParams({ form_token: form.elements.form_token.value });
    const answer = await fetch(tokenPath, { method: "POST", body, redirect: "manual", cache: "no-store" });
    if (!answer.ok) throw new Error("You are not signed in any more. Load the page again.");
    lent = { text: (await answer.json()).access_token, at: Date.now() };
    return lent.text;
  }

  const apiKey = () => form.querySelector("[data-api-key]")?.value.trim() || "";
  const typed = () => form.querySelector("[data-body]")?.value.trim() || "";

  function target() {
    let filled = path;
    for (const field of form.querySelectorAll('[data-parameter="path"]')) {
      if (field.value) filled = filled.replace(`{${field.name}}`, encodeURIComponent(field.value.trim()));
    }
    const query = new URLSearchParams(fields("query").map((field) => [field.name, field.value.trim()]));
    return query.size > 0 ? `${filled}?${query}` : filled;
  }

  function body() {
    const text = typed();
    if (!text || !media) return undefined;
    if (media === "application/json") return text;
    const read = JSON.parse(text);
    return new URLSearchParams(Object.entries(read).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])).toString();
  }

  // ----- The command

  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

  function showCommand() {
    const lines = [`curl -X ${method} ${quoted(location.origin + target())}`];
    if (!("open" in form.dataset)) lines.push(apiKey() ? '-H "Authorization: ApiKey $KEY"' : '-H "Authorization: Bearer $TOKEN"');
    for (const field of fields("header")) lines.push(`-H ${quoted(`${field.name}: ${field.value.trim()}`)}`);
    let sent;
    try { sent = body(); } catch { sent = typed(); }
    if (sent) lines.push(`-H ${quoted(`Content-Type: ${media}`)}`, `-d ${quoted(sent)}`);
    find("#curl").textContent = lines.join(" \\\n  ");
  }

  // ----- The call

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

  async function send() {
    const headers = new Headers();
    const sent = body();
    if (sent !== undefined) headers.set("Content-Type", media);
    for (const field of fields("header")) headers.set(field.name, field.value.trim());
    if (!("open" in form.dataset)) headers.set("Authorization", apiKey() ? `ApiKey ${apiKey()}` : `Bearer ${await token()}`);
    const began = performance.now();
    const answer = await fetch(target(), { method, headers, body: sent, credentials: "omit", redirect: "manual", cache: "no-store" });
    const text = await answer.text();
    const time = Math.round(performance.now() - began);
    const tone = answer.ok ? "good" : answer.status >= 500 ? "bad" : "warn";
    const told = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    show(`${answer.status} ${answer.statusText}`.trim(), tone, text, time, told);
    // A token that is refused is of no use for the next call.
    if (answer.status === 401) lent = null;
  }

  async function carryOut() {
    const button = form.querySelector("[data-send]");
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      const what = error instanceof SyntaxError ? `The body is no JSON: ${error.message}` : error.message;
      show("Not sent", "bad", what, null, "");
    } finally {
      button.disabled = false;
      document.documentElement.classList.remove("is-waiting");
    }
  }

  // ----- The form

  const sure = form.querySelector("[data-sure]");

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const isSure = event.submitter?.matches("[data-sure-yes]");
    if ("dangerous" in form.dataset && !isSure) {
      sure.hidden = false;
      sure.querySelector("[data-sure-no]").focus();
      document.documentElement.classList.remove("is-waiting");
      return;
    }
    sure.hidden = true;
    carryOut();
  });
  form.querySelector("[data-sure-no]").addEventListener("click", () => {
    sure.hidden = true;
    form.querySelector("[data-send]").focus();
  });
  form.addEventListener("input", showCommand);

  // The call that is shown is in sight in the list beside it.
  const list = find(".explorer-nav");
  const current = list?.querySelector("[aria-current]");
  if (current) list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;

  form.querySelector("[data-send]").disabled = false;
  find("[data-without-scripts]").hidden = true;
  showCommand();
})();
