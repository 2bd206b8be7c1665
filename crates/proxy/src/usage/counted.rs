//! What is counted where no usage is told.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::answer::Place;

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

/// What [`bytes_of`] says of a value that is read and not kept. A member that stands twice counts twice.
pub(super) struct Written(pub(super) u64);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Counter).map(Self)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<u64, E> {
        Ok(1)
    }

    fn visit_u64<E>(self, _: u64) -> Result<u64, E> {
        Ok(1)
    }

    fn visit_f64<E>(self, _: f64) -> Result<u64, E> {
        Ok(1)
    }

    fn visit_str<E>(self, text: &str) -> Result<u64, E> {
        Ok(length(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut bytes = 0_u64;
        while let Some(Written(more)) = items.next_element()? {
            bytes = bytes.saturating_add(more);
        }
        Ok(bytes)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let mut bytes = 0_u64;
        while let Some(Name { is_written }) = members.next_key()? {
            if is_written {
                let Written(more) = members.next_value()?;
                bytes = bytes.saturating_add(more);
            } else {
                let IgnoredAny = members.next_value()?;
            }
        }
        Ok(bytes)
    }
}

/// The name of a member: whether a model wrote its value.
struct Name {
    is_written: bool,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Judge;

        impl Visitor<'_> for Judge {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name { is_written: !NOT_WRITTEN.contains(&name) })
            }
        }

        deserializer.deserialize_str(Judge)
    }
}

/// A member that is a text.
pub(super) fn text_of<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
