//! What is known of an entity: of each field what was said of it last, and by whom.
//!
//! Every event is heard once, in any order, and the result is the same: of two sayings about a field one wins by an order in
//! which no two different ones are equal, and of the fields those are kept that stand highest in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{Timestamp, TrustLevel};

/// Most fields that are known of an entity. What was said last stays, so that a source that always names new fields
/// cannot make an entity grow without end.
pub const FIELDS_MAX: usize = 64;

/// Most bytes of a field in an event, name and value together as JSON. It bounds what is kept of an entity, and does so
/// for each saying by itself, so that the result does not depend on the order of arrival.
pub const FIELD_MAX: usize = 1024;

/// When what was said of a field gives way to something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwriting {
    /// A later saying wins, unless it comes from a less trusted source. A more trusted source wins whenever it spoke.
    ByTrust,
    /// A later saying wins. Of two of the same moment the more trusted source is believed.
    ByTime,
}

/// Who said something, and when it was so.
#[derive(Debug, PartialEq, Eq)]
pub struct Saying {
    /// When it was so.
    pub at: Timestamp,
    /// How the source was to be treated.
    pub trust_level: TrustLevel,
    /// The source.
    pub source_id: String,
}

/// How far up a saying stands. The value comes last, so that nothing is left to chance.
type Rank<'s> = (i64, i64, &'s str, &'s str);

impl Clone for Saying {
    fn clone(&self) -> Self {
        Self { at: self.at, trust_level: self.trust_level, source_id: self.source_id.clone() }
    }

    /// Into the memory that is there, as an entity hears many events.
    fn clone_from(&mut self, other: &Self) {
        let Self { at, trust_level, source_id } = other;
        (self.at, self.trust_level) = (*at, *trust_level);
        self.source_id.clone_from(source_id);
    }
}

impl Saying {
    fn rank<'s>(&'s self, value: &'s str, rule: Overwriting) -> Rank<'s> {
        let (trust, at) = (self.trust_level as i64, self.at.as_millis());
        match rule {
            Overwriting::ByTrust => (trust, at, &self.source_id, value),
            Overwriting::ByTime => (at, trust, &self.source_id, value),
        }
    }

    /// By time, whatever the rule.
    fn is_later_than(&self, other: &Self) -> bool {
        self.rank("", Overwriting::ByTime) > other.rank("", Overwriting::ByTime)
    }
}

/// What is known of one field.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "KeptField", from = "KeptField")]
pub struct Field {
    /// What was said: JSON.
    pub value: Box<RawValue>,
    /// Who said it.
    pub by: Saying,
}

impl Field {
    /// Believes what is said of it now, if that stands higher. Most sources say the same again and again, which takes no new memory.
    fn hear(&mut self, value: &RawValue, by: &Saying, rule: Overwriting) {
        if by.rank(value.get(), rule) <= self.by.rank(self.value.get(), rule) {
            return;
        }
        if self.value.get() != value.get() {
            self.value = value.to_owned();
        }
        self.by.clone_from(by);
    }
}

/// A field as it is kept: short, as there are many.
#[derive(Serialize, Deserialize)]
struct KeptField(Box<RawValue>, i64, TrustLevel, String);

impl From<Field> for KeptField {
    fn from(Field { value, by }: Field) -> Self {
        Self(value, by.at.as_millis(), by.trust_level, by.source_id)
    }
}

impl From<KeptField> for Field {
    fn from(KeptField(value, at, trust_level, source_id): KeptField) -> Self {
        Self { value, by: Saying { at: Timestamp::from_millis(at), trust_level, source_id } }
    }
}

/// The fields that an event says something of.
pub type Said<'e> = BTreeMap<Cow<'e, str>, &'e RawValue>;

/// Reads what an event says.
///
/// # Errors
/// When that is no JSON object.
pub fn said(data: &RawValue) -> serde_json::Result<Said<'_>> {
    serde_json::Deserializer::from_str(data.get()).deserialize_map(Members)
}

/// Reads the members of an object without copying them. Of those of the same name the last counts.
struct Members;

impl<'e> Visitor<'e> for Members {
    type Value = Said<'e>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'e>>(self, mut members: A) -> Result<Said<'e>, A::Error> {
        #[derive(Deserialize)]
        struct Name<'e>(#[serde(borrow)] Cow<'e, str>);
        let mut said = Said::new();
        while let Some((Name(name), value)) = members.next_entry()? {
            said.insert(name, value);
        }
        Ok(said)
    }
}

/// All that is known of an entity.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its fields by name.
    pub fields: BTreeMap<String, Field>,
    /// The latest event about it.
    pub latest: Saying,
    /// When the first thing happened that was heard of it.
    pub first_seen: Timestamp,
    /// How many events were heard.
    pub count: u64,
}

impl Entity {
    /// An entity of which nothing was heard; the first that will be is `first`.
    pub fn unheard(first: Saying) -> Self {
        Self { fields: BTreeMap::new(), first_seen: first.at, latest: first, count: 0 }
    }

    /// When the last thing happened that was heard of it.
    pub const fn last_seen(&self) -> Timestamp {
        self.latest.at
    }

    /// Who said last what is believed now; of an entity of which no field is known, who spoke last.
    pub fn last_writer(&self) -> &Saying {
        let mut sayings = self.fields.values().map(|field| &field.by);
        let first = sayings.next().unwrap_or(&self.latest);
        sayings.fold(first, |last, one| if one.is_later_than(last) { one } else { last })
    }

    /// Hears an event.
    pub fn hear(&mut self, by: &Saying, said: &Said<'_>, rule: Overwriting) {
        self.count += 1;
        self.first_seen = self.first_seen.min(by.at);
        if by.is_later_than(&self.latest) {
            self.latest.clone_from(by);
        }
        for (name, value) in said {
            self.hear_of(name, value, by, rule);
        }
        while self.fields.len() > FIELDS_MAX {
            self.drop_lowest(rule);
        }
    }

    fn hear_of(&mut self, name: &str, value: &RawValue, by: &Saying, rule: Overwriting) {
        match self.fields.get_mut(name) {
            Some(known) => known.hear(value, by, rule),
            None => {
                self.fields.insert(name.to_owned(), Field { value: value.to_owned(), by: by.clone() });
            }
        }
    }

    fn drop_lowest(&mut self, rule: Overwriting) {
        let place = |(name, field): &(&String, &Field)| {
            let (first, second, source_id, value) = field.by.rank(field.value.get(), rule);
            (first, second, source_id.to_owned(), value.to_owned(), (*name).clone())
        };
        let lowest = self.fields.iter().min_by_key(place).map(|(name, _)| name.clone());
        if let Some(name) = lowest {
            self.fields.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saying(at: i64, trust_level: TrustLevel, source_id: &str) -> Saying {
        Saying { at: Timestamp::from_millis(at), trust_level, source_id: source_id.to_owned() }
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn heard(rule: Overwriting, events: &[(Saying, &str)]) -> Entity {
        let mut entity = Entity::unheard(events[0].0.clone());
        for (by, data) in events {
            entity.hear(by, &said(&raw(data)).unwrap(), rule);
        }
        entity
    }

    fn value<'e>(entity: &'e Entity, name: &str) -> &'e str {
        entity.fields[name].value.get()
    }

    #[test]
    fn the_later_saying_is_believed_whenever_it_is_heard() {
        let (early, late) = (saying(1, TrustLevel::Internal, "a"), saying(2, TrustLevel::Internal, "b"));
        for events in [
            [(early.clone(), r#"{"x":1,"y":1}"#), (late.clone(), r#"{"x":2}"#)],
            [(late.clone(), r#"{"x":2}"#), (early.clone(), r#"{"x":1,"y":1}"#)],
        ] {
            let entity = heard(Overwriting::ByTrust, &events);
            assert_eq!((value(&entity, "x"), value(&entity, "y")), ("2", "1"));
            assert_eq!((entity.first_seen.as_millis(), entity.last_seen().as_millis()), (1, 2));
            assert_eq!((entity.last_writer().source_id.as_str(), entity.count), ("b", 2));
        }
    }

    #[test]
    fn a_less_trusted_source_overwrites_a_more_trusted_one_only_where_that_is_allowed() {
        let events = [
            (saying(1, TrustLevel::Trusted, "ledger"), r#"{"balance":10}"#),
            (saying(2, TrustLevel::External, "web"), r#"{"balance":99,"colour":"red"}"#),
        ];
        let guarded = heard(Overwriting::ByTrust, &events);
        assert_eq!((value(&guarded, "balance"), value(&guarded, "colour")), ("10", r#""red""#));
        assert_eq!(guarded.last_writer().source_id, "web", "it said the colour");
        assert_eq!(value(&heard(Overwriting::ByTime, &events), "balance"), "99");
        let unheard =
            heard(Overwriting::ByTrust, &[events[0].clone(), (events[1].0.clone(), r#"{"balance":99}"#)]);
        assert_eq!(unheard.last_writer().source_id, "ledger", "nothing that the other said is believed");
        assert_eq!(unheard.last_seen().as_millis(), 2);
    }

    #[test]
    fn an_entity_keeps_the_fields_that_were_said_last() {
        let names: Vec<_> = (0..=FIELDS_MAX).map(|n| format!(r#"{{"field{n}":1}}"#)).collect();
        let by = |n: usize| saying(i64::try_from(n).unwrap(), TrustLevel::Internal, "a");
        let mut events: Vec<_> = names.iter().enumerate().map(|(n, data)| (by(n), data.as_str())).collect();
        for _ in 0..2 {
            let entity = heard(Overwriting::ByTrust, &events);
            assert_eq!(entity.fields.len(), FIELDS_MAX);
            assert!(!entity.fields.contains_key("field0"));
            events.reverse();
        }
    }

    #[test]
    fn a_field_comes_back_as_it_was_kept() {
        let entity =
            heard(Overwriting::ByTrust, &[(saying(7, TrustLevel::External, "w"), r#"{"a b":[1.50, null]}"#)]);
        let kept = serde_json::to_string(&entity.fields).unwrap();
        assert_eq!(kept, r#"{"a b":[[1.50, null],7,"external","w"]}"#);
        let back: BTreeMap<String, Field> = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), kept);
        assert_eq!(back["a b"].by, entity.fields["a b"].by);
    }
}
