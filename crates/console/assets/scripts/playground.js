// The playground: sends the call that a page describes, as the person who is signed in. The token lives in this module alone.
import { apiKey, body, form, headerFields, isOpen, media, method, target } from "./call.js";
import { showAnswer, showFailure } from "./answer.js";
import { showCommand } from "./command.js";

// A token that is this old is not used any more; it lasts for an hour.
const TOKEN_AGE = 50 * 60 * 1000;
const button = form.querySelector("[data-send]");
const sure = form.querySelector("[data-sure]");
const stopWaiting = () => document.documentElement.classList.remove("is-waiting");

let lent = null;

async function token() {
  if (lent && Date.now() - lent.at < TOKEN_AGE) return lent.text;
  const proof = new URLSearchParams({ form_token: form.elements.form_token.value });
  const answer = await fetch(form.dataset.tokenPath, { method: "POST", body: proof, redirect: "manual", cache: "no-store" });
  if (!answer.ok) throw new Error("You are not signed in any more. Load the page again.");
  lent = { text: (await answer.json()).access_token, at: Date.now() };
  return lent.text;
}

async function send() {
  const headers = new Headers();
  const sent = body();
  if (sent !== undefined) headers.set("Content-Type", media);
  for (const [name, value] of headerFields()) headers.set(name, value);
  if (!isOpen) headers.set("Authorization", apiKey() ? `ApiKey ${apiKey()}` : `Bearer ${await token()}`);
  const began = performance.now();
  const answer = await fetch(target(), { method, headers, body: sent, credentials: "omit", redirect: "manual", cache: "no-store" });
  const text = await answer.text();
  showAnswer(answer, text, Math.round(performance.now() - began));
  // A token that is refused is of no use for the next call.
  if (answer.status === 401) lent = null;
}

async function carryOut() {
  button.disabled = true;
  try {
    await send();
  } catch (error) {
    showFailure(error);
  } finally {
    button.disabled = false;
    stopWaiting();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const isSure = event.submitter?.matches("[data-sure-yes]");
  if ("dangerous" in form.dataset && !isSure) {
    sure.hidden = false;
    sure.querySelector("[data-sure-no]").focus();
    stopWaiting();
    return;
  }
  sure.hidden = true;
  carryOut();
});
form.querySelector("[data-sure-no]").addEventListener("click", () => {
  sure.hidden = true;
  button.focus();
});
form.addEventListener("input", showCommand);

// The call that is shown is in sight in the list beside it.
const list = document.querySelector(".explorer-nav");
const current = list?.querySelector("[aria-current]");
if (current) list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;

button.disabled = false;
document.querySelector("[data-without-scripts]").hidden = true;
showCommand();
