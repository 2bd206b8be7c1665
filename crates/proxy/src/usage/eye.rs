//! Looks at answers and events before anybody's bill is: most of the work is done where nobody waits for it.

use memchr::memchr3_iter;
use serde_json::Value;

use super::answer::Answer;
use super::passed::Passed;
use super::sieve::Sieve;
use crate::operation::Operation;
use crate::sse::data_of;

/// Memory that an item of a list takes when it is kept as a value, in bytes, with what a list of them keeps free, and the least that a
/// text takes. One of one digit takes two bytes of an answer.
const ITEM: usize = 96;
/// The same of a member, with its name, in an object of many.
const MEMBER: usize = 160;
/// The same of an object that is not empty: it has room for eleven members from the first on.
const OBJECT: usize = 640;

/// What one event says.
#[derive(Debug)]
pub(crate) enum Glance {
    /// Nothing, as a comment that keeps a connection alive.
    Nothing,
    /// That all has been said.
    End,
    /// So many bytes that are no JSON.
    Bytes(usize),
    /// How much was written, and nothing of usage.
    Passed(Passed),
    /// All of it.
    Whole(Value),
}

/// What an answer says that came as a whole.
#[derive(Debug)]
pub(crate) struct Seen {
    /// All of it that matters.
    pub(super) body: Value,
    /// Bytes that are no JSON, or none that can be read: they are counted if no usage was found in them.
    pub(super) unread: usize,
}

/// Looks at one answer, or at its events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eye(Answer);

impl Eye {
    /// For answers to this operation.
    pub(crate) const fn of(operation: &Operation) -> Self {
        Self(Answer::to(operation))
    }

    pub(super) const fn for_answer(answer: Answer) -> Self {
        Self(answer)
    }

    /// Looks at an event, with the empty line that ends it.
    pub(crate) fn look(self, frame: &[u8]) -> Glance {
        let Some(data) = data_of(frame) else { return Glance::Nothing };
        if data.trim_ascii() == b"[DONE]" {
            return Glance::End;
        }
        if let Some(passed) = Passed::read(self.0, &data) {
            return Glance::Passed(passed);
        }
        serde_json::from_slice(&data).map_or(Glance::Bytes(data.len()), Glance::Whole)
    }

    /// Memory that is taken while an answer, or an event, is looked at, beside that of its texts. What stands within texts counts as well.
    pub(crate) fn needs(self, body: &[u8]) -> usize {
        let Self(answer) = self;
        match answer {
            Answer::Vectors | Answer::Opaque => 0,
            Answer::Choices | Answer::Response | Answer::Message | Answer::Images | Answer::Transcript => {
                let size = |at: usize| match body.get(at) {
                    Some(b',') => ITEM,
                    Some(b':') => MEMBER,
                    Some(_) | None => OBJECT,
                };
                memchr3_iter(b',', b':', b'{', body).map(size).fold(0, usize::saturating_add)
            }
        }
    }

    /// Looks at an answer that came as a whole. What makes it unreadable need not be where its usage is: half a letter of two, or lists
    /// that are too deep.
    pub(crate) fn whole(self, body: &[u8]) -> Seen {
        let Self(answer) = self;
        match answer {
            Answer::Opaque => Seen { body: Value::Null, unread: 0 },
            // They are long, and have nothing else to read.
            Answer::Vectors => Seen { body: found_in(body), unread: 0 },
            Answer::Choices | Answer::Response | Answer::Message | Answer::Images | Answer::Transcript => {
                match serde_json::from_slice(body) {
                    Ok(body) => Seen { body, unread: 0 },
                    Err(_) => Seen { body: found_in(body), unread: body.len() },
                }
            }
        }
    }
}

/// What tells usage in an answer of which nothing else is kept.
fn found_in(body: &[u8]) -> Value {
    let mut sieve = Sieve::default();
    sieve.pass(body);
    sieve.found().unwrap_or_default()
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

    /// What the whole of an event comes to.
    fn whole(answer: Answer, body: &str) -> Passed {
        let body: Value = serde_json::from_str(body).unwrap();
        let (text, images) = (answer.text_bytes(&body), answer.images(&body));
        Passed { text, images, is_last: answer.is_last(&body) }
    }

    fn look(answer: Answer, body: &str) -> Glance {
        Eye(answer).look(format!("data: {body}\n\n").as_bytes())
    }

    #[test]
    fn an_event_without_usage_comes_to_the_same_whether_it_is_kept_or_not() {
        for body in [
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"zw\u00f6lf \"gulls\"\n"}}],"usage":null}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"call_1","function":{"name":"a","arguments":"{\"b\":1}"}}]}}]}"#,
            r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
            r#"{"choices":[{"delta":{"content":null,"n":[1,-2,3.5,true]},"finish_reason":"stop"}]}"#,
            r#"{"ch\u006fices":[{"delta":{"content":"escaped"}}]}"#,
            r#"{"type":"response.output_text.delta","item_id":"msg_1","delta":"Hi there"}"#,
            r#"{"type":"response.output_text.done","text":"Hi there","delta":"no"}"#,
            r#"{"type":"response.completed"}"#,
            r#"{"output":[{"type":"message","content":[{"text":"all"}]}]}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hello"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            r#"{"type":"message_stop"}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":null,"content":"all of it","text":"heard"}"#,
            r#"{"type":"transcript.text.delta","delta":"heard"}"#,
            r#"{"type":"transcript.text.done","text":"heard"}"#,
            r#"{"type":"image_generation.partial_image","b64_json":"AAAA"}"#,
            r#"{"type":"image_generation.completed","b64_json":"AAAA"}"#,
            r#"{"data":[{"b64_json":"AAAA"},{"b64_json":"AAAA"}]}"#,
            "{}",
        ] {
            for answer in ANSWERS {
                match look(answer, body) {
                    Glance::Passed(passed) => assert_eq!(passed, whole(answer, body), "{answer:?} {body}"),
                    other => panic!("{other:?}: {answer:?} {body}"),
                }
            }
        }
    }

    #[test]
    fn an_answer_takes_memory_for_the_values_that_are_made_of_it() {
        let needs = |operation, body: &str| Eye::of(&operation).needs(body.as_bytes());
        let one = size_of::<Value>();
        let (items, objects) = (r#"{"a":[0,0,0,0,0]}"#, r#"[{"a":0},{"a":0}]"#);
        // A list, or an object, that has grown has room for as much again.
        assert!(needs(Operation::ChatCompletions, items) >= 2 * 5 * one);
        let named = size_of::<String>() + one;
        assert!(needs(Operation::ImagesGenerations, objects) >= 2 * 11 * named);
        assert!(MEMBER >= 2 * named);
        assert_eq!([Operation::Embeddings, Operation::AudioSpeech].map(|own| needs(own, items)), [0, 0]);
    }

    #[test]
    fn an_event_that_may_tell_usage_is_kept_however_its_names_are_written() {
        for (answer, body) in [
            (Answer::Choices, r#"{"choices":[],"usage":{"prompt_tokens":1}}"#),
            (Answer::Choices, r#"{"us\u0061ge":{"prompt_tokens":1}}"#),
            (Answer::Choices, r#"{"usage":null,"usage":{"prompt_tokens":1}}"#),
            (Answer::Response, r#"{"type":"response.completed","response":{"usage":{"input_tokens":1}}}"#),
            (Answer::Response, r#"{"r\u0065sponse":{"usage":{"input_tokens":1}}}"#),
            (Answer::Message, r#"{"type":"message_start","message":{"usage":{"input_tokens":1}}}"#),
            (Answer::Message, r#"{"type":"message_delta","usage":{"output_tokens":1}}"#),
            (Answer::Transcript, r#"{"text":"a","duration":8.47}"#),
            (Answer::Choices, r#"[{"usage":{"prompt_tokens":1}}]"#),
            (Answer::Choices, r#"{"type":7}"#),
        ] {
            assert!(matches!(look(answer, body), Glance::Whole(_)), "{body}");
        }
        assert!(matches!(look(Answer::Choices, r#"{"a":1} {"usage":{}}"#), Glance::Bytes(20)));
        assert!(matches!(look(Answer::Choices, "{broken"), Glance::Bytes(7)));
        assert!(matches!(look(Answer::Choices, " [DONE] "), Glance::End));
        assert!(matches!(Eye(Answer::Choices).look(b": alive\n\n"), Glance::Nothing));
    }
}
