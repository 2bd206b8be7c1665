//! What is counted where no usage is told.

use serde::de::{MapAccess, SeqAccess};

use super::answer::Place;
use super::taking::{Take, Taking, pass_over, taken};

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

/// Bytes of texts in the places of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Said {
    pub(super) whole: u64,
    pub(super) delta: u64,
    pub(super) block: u64,
}

impl Said {
    pub(super) const fn set(&mut self, place: Place, bytes: u64) {
        match place {
            Place::Whole => self.whole = bytes,
            Place::Delta => self.delta = bytes,
            Place::Block => self.block = bytes,
        }
    }
}

/// Bytes of all texts in a value, with the numbers of what a tool is called with. A member that stands twice counts twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    pub(super) bytes: u64,
    /// Whether the value is a list without items.
    pub(super) is_empty_list: bool,
}

impl Written {
    const fn add(&mut self, more: Self) {
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

impl<'de> Take<'de> for Written {
    fn text(&mut self, text: &str) {
        self.bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    }

    fn count(&mut self, _: u64) {
        self.bytes = 1;
    }

    fn number(&mut self, _: f64) {
        self.bytes = 1;
    }

    fn items<A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<(), A::Error> {
        self.is_empty_list = true;
        while let Some(item) = items.next_element_seed(Taking(Self::default()))? {
            self.is_empty_list = false;
            self.add(item);
        }
        Ok(())
    }

    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        if NOT_WRITTEN.contains(&name) {
            return pass_over(members);
        }
        self.add(taken(members)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeSeed;

    use super::*;

    #[test]
    fn what_a_model_wrote_is_counted_and_not_what_the_api_wrote_around_it() {
        for (value, bytes) in [
            (r#""zw\u00f6lf""#, 6),
            (r#"{"role":"assistant","content":"all","id":"chatcmpl-1"}"#, 3),
            (r#"[{"text":"one"},{"text":"two","logprobs":{"text":"three"}}]"#, 6),
            (r#"{"function":{"name":"a","arguments":"{}"},"n":[1,-2,3.5,true,null]}"#, 6),
            ("[]", 0),
        ] {
            let mut json = serde_json::Deserializer::from_str(value);
            let written = Taking(Written::default()).deserialize(&mut json).unwrap();
            assert_eq!(written, Written { bytes, is_empty_list: value == "[]" }, "{value}");
        }
    }
}
