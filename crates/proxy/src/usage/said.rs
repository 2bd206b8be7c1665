//! What an answer, or an event, says that is of matter: read in one pass, of which nothing is kept.

use std::borrow::Cow;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_json::Value;

use super::answer::Answer;
use super::counted::{Said, Written};
use super::taking::{Take, Taking, pass_over, taken};
use super::told::{Named, Seconds, Usage};

/// What it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Saying {
    /// Bytes of what the model wrote.
    pub(super) text: u64,
    pub(super) images: u64,
    /// Whether it is the last of its stream, or the one with the whole usage.
    pub(super) is_last: bool,
    /// Whether it is the first of a message.
    pub(super) is_first: bool,
    /// Whether it is the chunk that only tells usage.
    pub(super) is_usage_alone: bool,
    /// In a box, as nearly all events tell none.
    pub(super) usage: Option<Box<Usage>>,
    /// How long a recording is, in milliseconds.
    pub(super) millis: Option<u64>,
}

impl Saying {
    /// Reads an answer of this form, or an event in it; `None` if it is no JSON. Names are read with what is escaped in them. What is passed
    /// over is not judged.
    pub(super) fn read(answer: Answer, body: &[u8]) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let said = Self::read_from(answer, &mut json)?;
        json.end().ok()?;
        Some(said)
    }

    /// The same of what was found in an answer that was not kept.
    pub(super) fn found(answer: Answer, found: &Value) -> Self {
        Self::read_from(answer, found).unwrap_or_default()
    }

    fn read_from<'de, D: Deserializer<'de>>(answer: Answer, json: D) -> Option<Self> {
        let members = Members { answer, kind: Kind::default(), said: Said::default(), top: Top::default() };
        Some(Taking(members).deserialize(json).ok()?.come_to())
    }
}

/// The members at the top that are of matter.
struct Members<'de> {
    answer: Answer,
    kind: Kind<'de>,
    said: Said,
    top: Top,
}

#[derive(Default)]
struct Top {
    /// Items of the list of images.
    listed: usize,
    /// Whether there is a list of choices, which has none.
    has_no_choices: bool,
    usage: Option<Box<Usage>>,
    /// That of the response, or of the message, which the event is about.
    inner: Option<Inner>,
    millis: Option<u64>,
}

impl<'de> Take<'de> for Members<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        match (self.answer, name) {
            (_, "type") => self.kind = taken(members)?,
            (_, "usage") => self.top.usage = taken::<Named, A>(members)?.0,
            (Answer::Response, "response") | (Answer::Message, "message") => {
                self.top.inner = Some(taken(members)?);
            }
            (_, "duration") => self.top.millis = taken::<Seconds, A>(members)?.millis(),
            (Answer::Images, "data") => self.top.listed = taken::<Items, A>(members)?.0,
            _ => match self.answer.place(name) {
                Some(place) => {
                    let written: Written = taken(members)?;
                    self.said.set(place, written.bytes);
                    self.top.has_no_choices = self.answer == Answer::Choices && written.is_empty_list;
                }
                None => pass_over(members)?,
            },
        }
        Ok(())
    }
}

impl Members<'_> {
    fn come_to(self) -> Saying {
        let Self { answer, kind: Kind(kind), said, top } = self;
        let (kind, usage) = (kind.as_deref(), top.inner.map_or(top.usage, |inner| inner.usage));
        let tells_all = answer == Answer::Message && kind == Some("message_delta") && usage.is_some();
        let is_last = tells_all || answer.ends_with(kind);
        Saying {
            text: answer.text_of(kind, said),
            images: answer.images_of(top.listed, is_last),
            is_last,
            is_first: kind == Some("message_start"),
            is_usage_alone: top.has_no_choices && usage.is_some(),
            usage,
            millis: top.millis,
        }
    }
}

/// The type of an event, if it is a text.
#[derive(Default)]
struct Kind<'de>(Option<Cow<'de, str>>);

impl<'de> Take<'de> for Kind<'de> {
    fn text(&mut self, text: &str) {
        self.0 = Some(Cow::Owned(text.to_owned()));
    }

    fn plain_text(&mut self, text: &'de str) {
        self.0 = Some(Cow::Borrowed(text));
    }
}

/// What an event is about.
#[derive(Default)]
struct Inner {
    usage: Option<Box<Usage>>,
}

impl<'de> Take<'de> for Inner {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        if name != "usage" {
            return pass_over(members);
        }
        self.usage = taken::<Named, A>(members)?.0;
        Ok(())
    }
}

/// How many items a list has.
#[derive(Default)]
struct Items(usize);

impl<'de> Take<'de> for Items {
    fn items<A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {
            self.0 += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: [Answer; 7] = [
        Answer::Choices,
        Answer::Response,
        Answer::Message,
        Answer::Vectors,
        Answer::Images,
        Answer::Transcript,
        Answer::Opaque,
    ];

    fn read(answer: Answer, body: &str) -> Saying {
        Saying::read(answer, body.as_bytes()).unwrap()
    }

    fn text(bytes: u64) -> Saying {
        Saying { text: bytes, ..Saying::default() }
    }

    #[test]
    fn what_the_model_wrote_is_found_where_each_form_has_it() {
        let last = || Saying { is_last: true, ..Saying::default() };
        for (answer, body, expected) in [
            (
                Answer::Choices,
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"zw\u00f6lf \"gulls\"\n"}}],"usage":null}"#,
                text(15),
            ),
            (
                Answer::Choices,
                r#"{"choices":[{"delta":{"tool_calls":[{"id":"call_1","function":{"name":"a","arguments":"{\"b\":1}"}}]}}]}"#,
                text(8),
            ),
            (Answer::Choices, r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#, text(0)),
            (Answer::Choices, r#"{"choices":[{"delta":{"content":null,"n":[1,-2,3.5,true]}}]}"#, text(3)),
            (Answer::Choices, r#"{"ch\u006fices":[{"delta":{"content":"escaped"}}]}"#, text(7)),
            (
                Answer::Response,
                r#"{"type":"response.output_text.delta","item_id":"msg_1","delta":"Hi there"}"#,
                text(8),
            ),
            (
                Answer::Response,
                r#"{"type":"response.output_text.done","text":"Hi there","delta":"no"}"#,
                text(0),
            ),
            (Answer::Response, r#"{"type":"response.completed"}"#, last()),
            (Answer::Response, r#"{"output":[{"type":"message","content":[{"text":"all"}]}]}"#, text(3)),
            (
                Answer::Message,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
                text(2),
            ),
            (
                Answer::Message,
                r#"{"content_block":{"type":"text","text":"Hello"},"type":"content_block_start","index":0}"#,
                text(5),
            ),
            (Answer::Message, r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#, text(0)),
            (Answer::Message, r#"{"type":"m\u0065ssage_stop"}"#, last()),
            (Answer::Message, r#"{"type":"message","content":[{"type":"text","text":"seven b"}]}"#, text(7)),
            (Answer::Message, r#"{"type":null,"content":"all of it","text":"heard"}"#, text(9)),
            (Answer::Transcript, r#"{"type":"transcript.text.delta","delta":"heard"}"#, text(5)),
            (Answer::Transcript, r#"{"type":"transcript.text.done","text":"heard"}"#, last()),
            (
                Answer::Images,
                r#"{"type":"image_generation.partial_image","b64_json":"AAAA"}"#,
                Saying::default(),
            ),
            (
                Answer::Images,
                r#"{"type":"image_generation.completed","b64_json":"AAAA"}"#,
                Saying { images: 1, ..last() },
            ),
            (
                Answer::Images,
                r#"{"data":[{"b64_json":"AAAA"},{"b64_json":"AAAA"}]}"#,
                Saying { images: 2, ..Saying::default() },
            ),
        ] {
            assert_eq!(read(answer, body), expected, "{answer:?} {body}");
        }
        for answer in ANSWERS {
            assert_eq!(read(answer, "{}"), Saying::default(), "{answer:?}");
        }
    }

    #[test]
    fn usage_is_found_however_its_names_are_written_and_of_two_the_last() {
        let prompt = |answer, body| {
            let usage = read(answer, body).usage?;
            let mut told = super::super::told::Told::default();
            told.hear(answer, &usage, false);
            told.consumption().map(|used| used.input)
        };
        for (answer, body, expected) in [
            (Answer::Choices, r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, Some(1)),
            (Answer::Choices, r#"{"us\u0061ge":{"prompt_tok\u0065ns":1}}"#, Some(1)),
            (Answer::Choices, r#"{"usage":null,"usage":{"prompt_tokens":1}}"#, Some(1)),
            (Answer::Choices, r#"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":8}}"#, Some(8)),
            (Answer::Choices, r#"{"usage":{"prompt_tokens":1},"usage":[7]}"#, None),
            (
                Answer::Choices,
                r#"{"usage":{"prompt_tokens":"1","input_tokens":2.0,"total_tokens":-1}}"#,
                None,
            ),
            (
                Answer::Response,
                r#"{"type":"response.completed","response":{"usage":{"input_tokens":1}}}"#,
                Some(1),
            ),
            (Answer::Response, r#"{"r\u0065sponse":{"usage":{"input_tokens":1}}}"#, Some(1)),
            (Answer::Response, r#"{"usage":{"input_tokens":1}}"#, Some(1)),
            (Answer::Response, r#"{"usage":{"input_tokens":1},"response":{}}"#, None),
            (Answer::Message, r#"{"type":"message_start","message":{"usage":{"input_tokens":1}}}"#, Some(1)),
            (Answer::Choices, r#"{"response":{"usage":{"input_tokens":1}}}"#, None),
            (Answer::Choices, r#"[{"usage":{"prompt_tokens":1}}]"#, None),
        ] {
            assert_eq!(prompt(answer, body), expected, "{body}");
        }
    }

    #[test]
    fn what_an_event_is_follows_from_its_type_and_its_usage() {
        let chunk = read(Answer::Choices, r#"{"choices":[],"usage":{}}"#);
        assert!(chunk.is_usage_alone && !chunk.is_last);
        for body in [r#"{"choices":[{}],"usage":{}}"#, r#"{"choices":[]}"#, r#"{"usage":{}}"#] {
            assert!(!read(Answer::Choices, body).is_usage_alone, "{body}");
        }
        assert!(!read(Answer::Message, r#"{"content":[],"usage":{}}"#).is_usage_alone);
        let delta = |usage: &str| format!(r#"{{"type":"message_delta","delta":{{}}{usage}}}"#);
        assert!(read(Answer::Message, &delta(r#","usage":{"output_tokens":1}"#)).is_last);
        assert!(!read(Answer::Message, &delta("")).is_last);
        assert!(read(Answer::Message, r#"{"type":"message_start","message":{}}"#).is_first);
        assert_eq!(read(Answer::Transcript, r#"{"text":"a","duration":8.47}"#).millis, Some(8_470));
        assert_eq!(read(Answer::Choices, r#"{"type":7,"choices":7}"#), text(1));
    }

    #[test]
    fn what_is_no_json_is_told() {
        for body in ["{broken", r#"{"a":1} {"usage":{}}"#, "", r#"{"choices":["half a letter: \ud800"]}"#] {
            assert_eq!(Saying::read(Answer::Choices, body.as_bytes()), None, "{body}");
        }
        let found: Value = serde_json::from_str(r#"{"usage":{"seconds":4}}"#).unwrap();
        assert_eq!(Saying::found(Answer::Transcript, &found).usage.unwrap().millis, Some(4_000));
        assert_eq!(Saying::found(Answer::Transcript, &Value::Null), Saying::default());
    }
}
