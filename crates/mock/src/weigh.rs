//! How many tokens a text is: one for each four bytes that are begun. No tokenizer counts like this, but it is fewer than the bytes,
//! as with all of them, and anybody can count it again.

use serde_json::Value;

/// Bytes of a token.
const BYTES: usize = 4;
/// Tokens of a picture, whatever it shows.
const IMAGE: u64 = 85;
/// The members of a request that are read by a model.
const READ: &[&str] = &["messages", "input", "prompt", "system", "instructions", "tools"];

/// The tokens of what a model reads of a request; one at least.
pub(crate) fn of_request(body: &Value) -> u64 {
    let mut weight = Weight::default();
    READ.iter().for_each(|member| weight.add(&body[*member]));
    weight.tokens().max(1)
}

#[derive(Default)]
struct Weight {
    bytes: usize,
    /// Tokens that are no text.
    others: u64,
}

impl Weight {
    fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.starts_with("data:") => self.others += IMAGE,
            Value::String(text) => self.bytes += text.len(),
            Value::Array(list) => list.iter().for_each(|one| self.add_one(one)),
            Value::Object(members) => members.values().for_each(|member| self.add(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What stands in a list; a number there is a token itself.
    fn add_one(&mut self, value: &Value) {
        if value.is_number() {
            self.others += 1;
        }
        self.add(value);
    }

    fn tokens(&self) -> u64 {
        u64::try_from(self.bytes.div_ceil(BYTES)).unwrap_or(u64::MAX).saturating_add(self.others)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_four_bytes_of_what_a_model_reads() {
        let chat = json!({ "model": "mock", "messages": [{ "role": "user", "content": "How are you?" }] });
        assert_eq!(of_request(&chat), 4, "`user` and twelve bytes");
        assert_eq!(of_request(&json!({ "input": [[1, 2, 3], [4, 5]] })), 5);
        assert_eq!(of_request(&json!({})), 1);
        let image =
            json!({ "messages": [{ "content": [{ "image_url": { "url": "data:image/png;base64,AA" } }] }] });
        assert_eq!(of_request(&image), IMAGE);
    }
}
