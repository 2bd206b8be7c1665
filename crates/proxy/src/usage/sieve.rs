//! Finds what tells usage in an answer that is too long to be kept: members at the top of an object, while it passes in pieces.

use std::mem;

use memchr::memchr2;
use serde_json::{Map, Value};

/// The members that tell usage: tokens, or the length of a recording.
const WANTED: [&str; 2] = ["usage", "duration"];
/// Longest value that is kept, in bytes: what providers tell has some hundred.
const LONGEST_VALUE: usize = 16 * 1024;
/// Longest name that is looked at, in bytes with its quotation marks: each letter may be escaped, by six.
const LONGEST_NAME: usize = 64;

/// Looks at each byte once, and keeps no more than a name and a few values.
#[derive(Debug, Default)]
pub struct Sieve {
    at: At,
    /// Objects and lists that are open.
    depth: u64,
    taking: Taking,
    found: Map<String, Value>,
}

/// Where in the text of an object the last byte was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Before all of it.
    #[default]
    Begin,
    /// Between texts.
    Structure,
    /// Within a text.
    Text,
    /// Behind a backslash.
    Escape,
    /// Behind all of it.
    End,
    /// In something that is no object.
    Elsewhere,
}

/// What is kept of a member at the top.
#[derive(Debug, Default)]
enum Taking {
    #[default]
    Nothing,
    /// Its name, which comes next.
    NameToCome,
    Name(Vec<u8>),
    /// Its value.
    Value(&'static str, Vec<u8>),
}

impl Sieve {
    /// Looks at a piece of the answer.
    pub fn pass(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((first, behind)) = rest.split_first() {
            match self.at {
                At::Begin => self.begin(*first),
                At::Structure => self.structure(*first),
                At::Escape => {
                    self.keep(&[*first]);
                    self.at = At::Text;
                }
                At::Text => {
                    rest = self.text(rest);
                    continue;
                }
                At::End | At::Elsewhere => return,
            }
            rest = behind;
        }
    }

    /// The members that were found, with their values; `None` if the answer is no object, or has not come to its end.
    pub fn found(&mut self) -> Option<Value> {
        (self.at == At::End).then(|| Value::Object(mem::take(&mut self.found)))
    }

    fn begin(&mut self, byte: u8) {
        match byte {
            b'{' => {
                (self.at, self.depth, self.taking) = (At::Structure, 1, Taking::NameToCome);
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => self.at = At::Elsewhere,
        }
    }

    fn structure(&mut self, byte: u8) {
        match (byte, self.depth) {
            (b'}' | b']', 1) => {
                self.take_value();
                self.at = At::End;
            }
            (b',', 1) => {
                self.take_value();
                self.taking = Taking::NameToCome;
            }
            (b':', 1) => self.begin_value(),
            (b'"', _) => {
                if matches!(self.taking, Taking::NameToCome) {
                    self.taking = Taking::Name(Vec::new());
                }
                self.keep(&[byte]);
                self.at = At::Text;
            }
            // What is behind a name is none of it.
            (byte, _) if byte.is_ascii_whitespace() && matches!(self.taking, Taking::Name(_)) => {}
            (byte, _) => {
                self.keep(&[byte]);
                match byte {
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth -= 1,
                    _ => {}
                }
            }
        }
    }

    /// Passes over a text as far as it is there, and gives what is behind.
    fn text<'p>(&mut self, bytes: &'p [u8]) -> &'p [u8] {
        let end = memchr2(b'"', b'\\', bytes);
        let (text, behind) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
        self.keep(text);
        self.at = match end.and_then(|at| bytes.get(at)) {
            Some(b'"') => At::Structure,
            Some(_) => At::Escape,
            None => At::Text,
        };
        behind
    }

    fn begin_value(&mut self) {
        let name = match mem::take(&mut self.taking) {
            Taking::Name(text) => serde_json::from_slice::<String>(&text).ok(),
            Taking::Nothing | Taking::NameToCome | Taking::Value(..) => None,
        };
        if let Some(wanted) = WANTED.into_iter().find(|wanted| name.as_deref() == Some(*wanted)) {
            // Of two the last is it, also if it is too long to be kept.
            self.found.remove(wanted);
            self.taking = Taking::Value(wanted, Vec::new());
        }
    }

    fn take_value(&mut self) {
        if let Taking::Value(name, text) = mem::take(&mut self.taking)
            && let Ok(value) = serde_json::from_slice(&text)
        {
            self.found.insert(name.to_owned(), value);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let (kept, most) = match &mut self.taking {
            Taking::Nothing | Taking::NameToCome => return,
            Taking::Name(text) => (text, LONGEST_NAME),
            Taking::Value(_, text) => (text, LONGEST_VALUE),
        };
        if kept.len() + bytes.len() <= most {
            kept.extend_from_slice(bytes);
        } else {
            self.taking = Taking::Nothing;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is found in an answer that comes in pieces of so many bytes.
    fn found(answer: &str, length: usize) -> Option<Value> {
        let mut sieve = Sieve::default();
        answer.as_bytes().chunks(length).for_each(|piece| sieve.pass(piece));
        sieve.found()
    }

    #[test]
    fn usage_at_the_top_is_found_however_the_answer_is_cut_into_pieces() {
        let usage = json!({ "prompt_tokens": 9, "details": { "cached": [1, 2] }, "kind": "a\"}b" });
        let long = "x".repeat(LONGEST_VALUE + 1);
        for (answer, expected) in [
            (
                format!(r#"{{"choices":[{{"usage":1}},"\"usage\":{{"],"usage":{usage}}}"#),
                json!({ "usage": usage }),
            ),
            (format!(r#" {{ "usage" : {usage} , "id":"a\\" }} "#), json!({ "usage": usage })),
            (
                format!(r#"{{"us\u0061ge":{usage},"duration":8.47}}"#),
                json!({ "usage": usage, "duration": 8.47 }),
            ),
            (format!(r#"{{"usage":1,"usage":{usage}}}"#), json!({ "usage": usage })),
            (format!(r#"{{"usage":1,"usage":"{long}","duration":2}}"#), json!({ "duration": 2 })),
            (format!(r#"{{"usage"{}:{usage}}}"#, " \n".repeat(LONGEST_NAME)), json!({ "usage": usage })),
            (format!(r#"{{"usage":null,"x":"{long}"}}"#), json!({ "usage": null })),
            (format!(r#"{{"usage":"{long}","duration":"2.5"}}"#), json!({ "duration": "2.5" })),
            (format!(r#"{{"{long}":1,"a":{{"usage":{usage}}}}}"#), json!({})),
            (r#"{"text":"usage","usages":[{"usage":3}],"b":{"duration":1}}"#.to_owned(), json!({})),
            ("{}".to_owned(), json!({})),
        ] {
            for length in [1, 2, 3, 7, answer.len()] {
                assert_eq!(
                    found(&answer, length).as_ref(),
                    Some(&expected),
                    "{answer} in pieces of {length}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_found_in_what_is_no_object_or_has_no_end() {
        for answer in
            ["", r#"{"usage":{"prompt_tokens":9}"#, r#"[{"usage":1}]"#, r#""usage":1}"#, "1\n00:00", "{"]
        {
            assert_eq!(found(answer, 3), None, "{answer}");
        }
    }

    #[test]
    fn what_was_found_is_told_also_if_more_follows() {
        assert_eq!(found("{\"usage\":1}\n{\"usage\":2}", 5), Some(json!({ "usage": 1 })));
    }
}
