// The call of the playground as a command.
import { apiKey, body, headerFields, isOpen, media, method, target, typedBody } from "./call.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function showCommand() {
  const lines = [`curl -X ${method} ${quoted(location.origin + target())}`];
  if (!isOpen) lines.push(apiKey() ? '-H "Authorization: ApiKey $KEY"' : '-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of headerFields()) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  let sent;
  try { sent = body(); } catch { sent = typedBody(); }
  if (sent) lines.push(`-H ${quoted(`Content-Type: ${media}`)}`, `-d ${quoted(sent)}`);
  document.querySelector("#curl").textContent = lines.join(" \\\n  ");
}
