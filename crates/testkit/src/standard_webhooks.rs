//! The library of the Standard Webhooks specification, as a receiver uses it: not ours, in another language.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::receiver::Received;

/// Names a Python that finds the library `standardwebhooks`; `cargo xtask test` installs it and sets this.
const VARIABLE: &str = "KEYSTILE_STANDARD_WEBHOOKS";
/// Checks what stands on standard input, line by line; and that a message which was changed is refused.
const CHECK: &str = "
import json, sys
from standardwebhooks import Webhook
webhook = Webhook(sys.argv[1])
for line in sys.stdin:
    message = json.loads(line)
    assert webhook.verify(message['body'], message['headers'])['type'], message
    try:
        webhook.verify(message['body'] + ' ', message['headers'])
    except Exception:
        continue
    raise SystemExit('a changed message was taken')
";

/// Lets the library check the signatures of messages that were sent within the last minutes.
///
/// # Panics
/// When there is no such library, or it refuses one.
pub fn check_signatures(secret: &str, messages: &[Received]) {
    let python = std::env::var_os(VARIABLE)
        .unwrap_or_else(|| panic!("{VARIABLE} does not name a Python; `cargo xtask test` installs it"));
    let line = |message: &Received| {
        let headers = json!({
            "webhook-id": message.id,
            "webhook-timestamp": message.timestamp,
            "webhook-signature": message.signature,
        });
        json!({ "body": message.body, "headers": headers }).to_string() + "\n"
    };
    let lines: String = messages.iter().map(line).collect();
    let mut command = Command::new(python);
    command.args(["-c", CHECK, secret]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = command.spawn().unwrap();
    // It says nothing before it has read all, unless it ends.
    let written = check.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    written.unwrap();
}
