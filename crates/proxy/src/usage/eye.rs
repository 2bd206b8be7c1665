//! Looks at answers and events before anybody's bill is: the work is done where nobody waits for it.

use super::answer::Answer;
use super::said::Saying;
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
    /// What is of matter in it.
    Said(Saying),
}

/// What an answer says that came as a whole.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What is of matter in it.
    pub(super) said: Saying,
    /// Bytes that are no JSON, or none that can be read: they are counted if no usage was found in them.
    pub(super) unread: usize,
}

/// Looks at one answer, or at its events. Nothing of them is kept, so that it takes no memory.
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
        Saying::read(self.0, &data).map_or(Glance::Bytes(data.len()), Glance::Said)
    }

    /// Looks at an answer that came as a whole. What makes it unreadable need not be where its usage is: half a letter of two, or lists
    /// that are too deep.
    pub(crate) fn whole(self, body: &[u8]) -> Seen {
        let Self(answer) = self;
        match answer {
            Answer::Opaque => Seen::default(),
            // They are long, and have nothing else to read.
            Answer::Vectors => Seen { said: found_in(answer, body), unread: 0 },
            Answer::Choices | Answer::Response | Answer::Message | Answer::Images | Answer::Transcript => {
                match Saying::read(answer, body) {
                    Some(said) => Seen { said, unread: 0 },
                    None => Seen { said: found_in(answer, body), unread: body.len() },
                }
            }
        }
    }
}

/// What tells usage in an answer of which nothing else is read.
fn found_in(answer: Answer, body: &[u8]) -> Saying {
    let mut sieve = Sieve::default();
    sieve.pass(body);
    sieve.found().map(|found| Saying::found(answer, &found)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_by_what_stands_in_its_data() {
        let look = |frame: &str| Eye(Answer::Choices).look(frame.as_bytes());
        assert!(matches!(look("data: {\"choices\":[]}\n\n"), Glance::Said(_)));
        assert!(matches!(look("data: {\"a\":1} {\"usage\":{}}\n\n"), Glance::Bytes(20)));
        assert!(matches!(look("data: {broken\n\n"), Glance::Bytes(7)));
        assert!(matches!(look("data:  [DONE] \n\n"), Glance::End));
        assert!(matches!(look(": alive\n\n"), Glance::Nothing));
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_looked_through_for_its_usage() {
        let seen = |answer, body: &str| {
            let Seen { said, unread } = Eye(answer).whole(body.as_bytes());
            (said.text, said.usage.is_some(), unread)
        };
        let usage = r#""usage":{"prompt_tokens":9}"#;
        let told = format!(r#"{{"choices":[{{"text":"four"}}],{usage}}}"#);
        assert_eq!(seen(Answer::Choices, &told), (4, true, 0));
        assert_eq!(seen(Answer::Vectors, &told), (0, true, 0));
        assert_eq!(seen(Answer::Opaque, &told), (0, false, 0));
        let odd = format!(r#"{{"choices":["\ud800"],{usage}}}"#);
        assert_eq!(seen(Answer::Choices, &odd), (0, true, odd.len()));
        assert_eq!(seen(Answer::Choices, "1\n00:00"), (0, false, 7));
    }
}
