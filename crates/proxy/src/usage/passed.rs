//! What an event says that tells no usage, as nearly all do: how much was written, found without keeping any of it.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

use super::answer::{Answer, Place};
use super::counted::{Said, Written};

/// What such an event comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Passed {
    /// Bytes of what the model wrote.
    pub(super) text: u64,
    pub(super) images: u64,
    /// Whether it is the last of its stream.
    pub(super) is_last: bool,
}

/// What a member of an event is.
enum Member {
    Type,
    Usage,
    /// It has more to say than can be found so.
    More,
    Text(Place),
    Images,
    Other,
}

impl Passed {
    /// Reads an event in the form of an answer; `None` if it may tell usage, or is no such event. A usage of `null`, which chunks have whose
    /// stream tells it at its end, is none. Names are read with what is escaped in them. What is passed over is not judged.
    pub(super) fn read(answer: Answer, event: &[u8]) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_slice(event);
        let passed = Event(answer).deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(passed)
    }
}

struct Event(Answer);

impl<'de> DeserializeSeed<'de> for Event {
    type Value = Passed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Passed, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Event {
    type Value = Passed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event without usage")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Passed, A::Error> {
        let Self(answer) = self;
        let (mut kind, mut said, mut images) = (None::<String>, Said::default(), 0);
        while let Some(member) = members.next_key_seed(Name(answer))? {
            match member {
                Member::Type => kind = members.next_value()?,
                Member::Usage => {
                    if members.next_value::<Option<IgnoredAny>>()?.is_some() {
                        return Err(A::Error::custom("it tells usage"));
                    }
                }
                Member::More => return Err(A::Error::custom("it may tell usage")),
                Member::Text(place) => {
                    let Written(bytes) = members.next_value()?;
                    said.set(place, bytes);
                }
                Member::Images => images = members.next_value::<Vec<IgnoredAny>>()?.len(),
                Member::Other => {
                    let IgnoredAny = members.next_value()?;
                }
            }
        }
        let kind = kind.as_deref();
        let is_last = answer.ends_with(kind);
        let images = answer.images_of(images, is_last);
        Ok(Passed { text: answer.text_of(kind, said), images, is_last })
    }
}

/// Reads the name of a member.
struct Name(Answer);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member, E> {
        let Self(answer) = self;
        Ok(match (answer, name) {
            (_, "type") => Member::Type,
            (_, "usage") => Member::Usage,
            // Usage stands within these, and the length of a recording in the last.
            (Answer::Response, "response") | (Answer::Message, "message") | (_, "duration") => Member::More,
            (Answer::Images, "data") => Member::Images,
            _ => answer.place(name).map_or(Member::Other, Member::Text),
        })
    }
}
