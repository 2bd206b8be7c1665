//! What is counted where no usage is told.

use serde_json::Value;

/// Members that no model wrote, but the API around it.
const NOT_WRITTEN: [&str; 14] = [
    "annotations",
    "call_id",
    "finish_reason",
    "id",
    "index",
    "item_id",
    "logprobs",
    "object",
    "obfuscation",
    "role",
    "signature",
    "status",
    "stop_reason",
    "type",
];

/// Bytes of all texts in a value, with the numbers and names of what a tool is called with.
pub(super) fn bytes_of(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(_) => 1,
        Value::String(text) => length(text),
        Value::Array(items) => items.iter().map(bytes_of).fold(0, u64::saturating_add),
        Value::Object(members) => {
            let written = members.iter().filter(|(name, _)| !NOT_WRITTEN.contains(&name.as_str()));
            written.map(|(_, value)| bytes_of(value)).fold(0, u64::saturating_add)
        }
    }
}

/// A member that is a text.
pub(super) fn text_of<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
