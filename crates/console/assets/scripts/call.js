// The call that the form of the playground asks for.

export const form = document.querySelector("[data-playground]");
export const { method, path, media } = form.dataset;
// Whether nothing proves who calls.
export const isOpen = "open" in form.dataset;

const fields = (place) => [...form.querySelectorAll(`[data-parameter="${place}"]`)].filter((field) => field.value !== "");

export const apiKey = () => form.querySelector("[data-api-key]")?.value.trim() || "";
export const typedBody = () => form.querySelector("[data-body]")?.value.trim() || "";
export const headerFields = () => fields("header").map((field) => [field.name, field.value.trim()]);

export function target() {
  let filled = path;
  for (const field of fields("path")) filled = filled.replace(`{${field.name}}`, encodeURIComponent(field.value.trim()));
  const query = new URLSearchParams(fields("query").map((field) => [field.name, field.value.trim()]));
  return query.size > 0 ? `${filled}?${query}` : filled;
}

// What is sent; a form is typed as JSON, too. Throws a SyntaxError when what has to be JSON is none.
export function body() {
  const text = typedBody();
  if (!text || !media) return undefined;
  if (media === "application/json") return text;
  const read = JSON.parse(text);
  return new URLSearchParams(Object.entries(read).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])).toString();
}
