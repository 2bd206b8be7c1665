//! JSON as it was sent: members in their order, and none twice.
//!
//! The order of members is kept because models answer in the order of a schema. A name that stands twice in one object is refused,
//! because two readers could each take another one for what was meant.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// Up to so many members are compared each with each, which is faster than sorting them.
const FEW: usize = 16;
/// How much of a name is told in an error.
const SHOWN: usize = 64;

/// Whether a name is as both protocols write their own. Some readers, those in Go first of all, take another one for it that differs in
/// case alone, by which they also count the long s and the sign of kelvin; so it would be read by some and not by others.
pub(crate) fn is_lower(name: &str) -> bool {
    !name.chars().any(|letter| letter.is_ascii_uppercase() || matches!(letter, '\u{17f}' | '\u{212a}'))
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Json>),
    Object(Object),
}

/// The members of an object, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Object(Vec<(Box<str>, Json)>);

impl Json {
    pub(crate) const fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    pub(crate) const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => &[],
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn as_count(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Object {
    /// The member of this name, unless it is `null`, which means the same as its absence to both protocols.
    pub(crate) fn given(&self, name: &str) -> Option<&Json> {
        let Self(members) = self;
        let (_, value) = members.iter().find(|(own, _)| **own == *name)?;
        (*value != Json::Null).then_some(value)
    }

    /// The text that is the member of this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given(name)?.as_text()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Json)> {
        let Self(members) = self;
        members.iter().map(|(name, value)| (&**name, value))
    }

    /// A copy in which these members have these values, in their places, or at the end if they are new.
    pub(crate) fn with(&self, set: Vec<(&str, Json)>) -> Self {
        let Self(mut members) = self.clone();
        for (name, value) in set {
            match members.iter_mut().find(|(own, _)| **own == *name) {
                Some((_, own)) => *own = value,
                None => members.push((name.into(), value)),
            }
        }
        Self(members)
    }
}

/// An object with some members replaced, which is written without being copied.
pub(crate) struct Changed<'a> {
    pub(crate) object: &'a Object,
    /// In place of the members of the same names, or at the end.
    pub(crate) set: &'a [(&'static str, Json)],
}

impl Serialize for Changed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let set = |name: &str| self.set.iter().find(|(own, _)| *own == name);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.object.members() {
            map.serialize_entry(name, set(name).map_or(value, |(_, value)| value))?;
        }
        let is_new = |name: &str| !self.object.members().any(|(own, _)| own == name);
        for (name, value) in self.set.iter().filter(|(name, _)| is_new(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(object) => Changed { object, set: &[] }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::from(text))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(Box<str>, Json)> = Vec::new();
        while let Some(member) = map.next_entry::<String, Json>()? {
            let (name, value) = member;
            members.push((name.into(), value));
        }
        match twice(&members) {
            Some(name) => {
                let shown: String = name.chars().take(SHOWN).collect();
                Err(A::Error::custom(format!("`{shown}` stands twice in one object")))
            }
            None => Ok(Json::Object(Object(members))),
        }
    }
}

/// A name that two of the members have.
fn twice(members: &[(Box<str>, Json)]) -> Option<&str> {
    if members.len() <= FEW {
        let is_again = |(at, (name, _)): &(usize, &(Box<str>, Json))| {
            members.iter().take(*at).any(|(earlier, _)| earlier == name)
        };
        return members.iter().enumerate().find(is_again).map(|(_, (name, _))| &**name);
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Json, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn object(text: &str) -> Object {
        let Json::Object(object) = read(text).unwrap() else { panic!("an object") };
        object
    }

    #[test]
    fn what_is_read_is_written_again_in_its_order() {
        let text = r#"{"z":1,"a":[null,true,-2,0.25,"é\n\"",{"y":{},"b":[]}],"m":18446744073709551615}"#;
        assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        let many: Vec<String> = (0..100).map(|number| format!(r#""m{number}":0"#)).collect();
        let many = many.join(",");
        for text in [
            r#"{"model":"a","model":"b"}"#.to_owned(),
            r#"{"a":[{"type":"function","type":"web_search"}]}"#.to_owned(),
            r#"{"model":"a","mod\u0065l":"b"}"#.to_owned(),
            format!(r#"{{{many},"m7":1}}"#),
        ] {
            assert!(read(&text).unwrap_err().to_string().contains("stands twice"), "{text}");
        }
        assert!(read(&format!("{{{many}}}")).is_ok());
        assert!(read(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn what_is_set_replaces_or_follows() {
        let own = object(r#"{"model":"alias","n":2,"stop":null}"#);
        let set = [("model", Json::from("real")), ("max_tokens", Json::from(7))];
        let text = serde_json::to_string(&Changed { object: &own, set: &set }).unwrap();
        assert_eq!(text, r#"{"model":"real","n":2,"stop":null,"max_tokens":7}"#);
        let text = serde_json::to_string(&Json::Object(own.with(set.to_vec()))).unwrap();
        assert_eq!(text, r#"{"model":"real","n":2,"stop":null,"max_tokens":7}"#);
        assert_eq!(own.given("stop"), None);
        assert_eq!(own.given("n").and_then(Json::as_count), Some(2));
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
