//! Looks at answers and events before anybody's bill is: most of the work is done where nobody waits for it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::passed::Passed;
use super::sieve::Sieve;
use crate::operation::Operation;
use crate::sse::data_of;

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

/// What is read of an answer that is long and has nothing else to read.
#[derive(Deserialize)]
struct UsageAlone {
    #[serde(default)]
    usage: Value,
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

    /// Looks at an answer that came as a whole. What makes it unreadable need not be where its usage is: half a letter of two, or lists
    /// that are too deep.
    pub(crate) fn whole(self, body: &[u8]) -> Seen {
        let Self(answer) = self;
        let read = match answer {
            Answer::Vectors => {
                serde_json::from_slice(body).map(|UsageAlone { usage }| json!({ "usage": usage }))
            }
            Answer::Opaque => Ok(Value::Null),
            Answer::Choices | Answer::Response | Answer::Message | Answer::Images | Answer::Transcript => {
                serde_json::from_slice(body)
            }
        };
        let found = |_| {
            let mut sieve = Sieve::default();
            sieve.pass(body);
            Seen { body: sieve.found().unwrap_or_default(), unread: body.len() }
        };
        read.map_or_else(found, |body| Seen { body, unread: 0 })
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
