//! What an answer says and what it costs, in whatever shape it is told.

use serde_json::Value;

use crate::ask::{Ask, CacheWrites};
use crate::behaviour::{Ends, Told};
use crate::records::Usage;

/// Most choices of an answer: what is not streamed stands in memory.
const MAX_CHOICES: u64 = 2_048;
/// Tokens of a call of a tool.
const TOOL_TOKENS: u64 = 8;
/// The words of all answers; each is a token.
const WORDS: [&str; 16] = [
    "The", " sea", " was", " calm", " and", " the", " ships", " lay", " still,", " while", " gulls", " went",
    " up", " and", " down", ".",
];

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// Tokens that are shown, of each choice.
    pub(crate) words: u64,
    pub(crate) choices: u64,
    pub(crate) ends: Ends,
    /// The tool that is called.
    pub(crate) tool: Option<String>,
    pub(crate) told: Told,
    /// What all of it costs.
    pub(crate) usage: Usage,
    /// The thoughts among the output.
    pub(crate) reasoning: u64,
    /// What is behind the words of an answer that is not streamed, to make it large.
    padding: usize,
    zeros: usize,
}

impl Story {
    /// The answer to a request with so many prompts.
    pub(crate) fn of(ask: &Ask, prompts: u64, written: CacheWrites) -> Self {
        let (length, ends) = match &ask.tool {
            Some(_) => (TOOL_TOKENS, Ends::WithATool),
            None if ask.streams && ask.behaviour.is_endless => (u64::MAX, Ends::ByItself),
            None => ask.behaviour.length(ask.most),
        };
        let thoughts = ask.reasoning(length);
        let answers = ask.tried.max(ask.choices).saturating_mul(prompts);
        Self {
            words: length - thoughts,
            choices: ask.choices.saturating_mul(prompts).min(MAX_CHOICES),
            ends,
            tool: ask.tool.clone(),
            told: ask.behaviour.told,
            usage: Usage { output: length.saturating_mul(answers), ..ask.input(written) },
            reasoning: thoughts.saturating_mul(answers),
            padding: ask.behaviour.flood.unwrap_or(0),
            zeros: ask.behaviour.zeros,
        }
    }

    /// The whole text of a choice.
    pub(crate) fn text(&self) -> String {
        (0..self.words).map(word).collect::<String>() + &"x".repeat(self.padding)
    }

    /// Puts into an answer what is of no use to anybody and takes memory when it is read, if that was asked for.
    pub(crate) fn burden(&self, answer: &mut Value) {
        if self.zeros > 0 {
            answer["zeros"] = vec![0; self.zeros].into();
        }
    }

    /// The usage that is told; nothing when none is.
    pub(crate) fn told(&self) -> Option<(Usage, u64)> {
        match self.told {
            Told::Truly | Told::Twice => Some((self.usage, self.reasoning)),
            Told::Zero => Some((Usage::default(), 0)),
            Told::Missing => None,
        }
    }

    /// The usage that is told in the middle of a stream; nothing when none is.
    pub(crate) fn told_before(&self) -> Option<(Usage, u64)> {
        let half = Usage { output: self.usage.output / 2, ..self.usage };
        (self.told == Told::Twice).then_some((half, self.reasoning / 2))
    }
}

/// The word at a place of an answer.
pub(crate) fn word(place: u64) -> &'static str {
    let place = usize::try_from(place).unwrap_or_default() % WORDS.len();
    WORDS.get(place).copied().unwrap_or_default()
}
