//! What a request has used, read from what comes back.
//!
//! The last usage that an upstream tells is what counts. Where it tells none, or nothing but zeros, what was passed on is counted by the same
//! rule as a request: no more tokens than bytes. Where an answer broke off before its usage, the unknown rest is what was held.

mod answer;
mod counted;
mod eye;
mod said;
mod sieve;
mod taking;
mod told;

use keystile_core::llm::{Consumption, Upstream};
use keystile_core::quota::Basis;
use serde_json::Value;

use crate::bounds::{Load, UNCAPPED};
use crate::call::Call;
use crate::operation::Operation;

use answer::Answer;
use said::Saying;
use told::Told;

pub(crate) use eye::{Eye, Glance, Seen};
pub use sieve::Sieve;

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// The client gets it.
    Pass,
    /// It is an answer to a question that the client did not ask.
    Drop,
}

/// Reads what comes back for one request to one upstream.
#[derive(Debug)]
pub struct Reading {
    answer: Answer,
    meter: Meter,
    load: Load,
    asks_usage: bool,
    /// Most tokens of each answer.
    cap: u64,
    told: Told,
    /// Bytes of text that were passed on.
    counted: u64,
    /// Images that were passed on.
    images: u64,
    /// Milliseconds of audio that the upstream has told of.
    audio_millis: Option<u64>,
    /// Whether the answer is complete, so that what was not told will never be.
    is_complete: bool,
}

/// What a request is charged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meter {
    Nothing,
    Tokens,
    Images,
    Characters,
    Seconds,
}

impl Meter {
    fn of(call: &Call, load: &Load, upstream: &Upstream) -> Self {
        let has_second_price = upstream.model.price.as_ref().is_some_and(|price| price.second.is_some());
        match call.operation() {
            Operation::Models | Operation::Model(_) | Operation::Moderations | Operation::CountTokens => {
                Self::Nothing
            }
            Operation::AudioSpeech => Self::Characters,
            Operation::AudioTranscriptions | Operation::AudioTranslations if has_second_price => {
                Self::Seconds
            }
            Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations
                if load.images > 0 =>
            {
                Self::Images
            }
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Messages
            | Operation::ImagesGenerations
            | Operation::ImagesEdits
            | Operation::ImagesVariations
            | Operation::AudioTranscriptions
            | Operation::AudioTranslations => Self::Tokens,
        }
    }
}

impl Reading {
    /// Begins to read the answer to this call.
    pub fn of(call: &Call, upstream: &Upstream) -> Self {
        Self::under(Load::of(call, upstream), call, upstream)
    }

    /// The same where it is known how much of each kind it can be.
    pub(crate) fn under(load: Load, call: &Call, upstream: &Upstream) -> Self {
        Self {
            answer: Answer::to(call.operation()),
            meter: Meter::of(call, &load, upstream),
            load,
            asks_usage: call.asks_usage(),
            cap: call.cap().or(upstream.model.max_output_tokens).unwrap_or(UNCAPPED),
            told: Told::default(),
            counted: 0,
            images: 0,
            audio_millis: None,
            is_complete: false,
        }
    }

    /// The same where each answer can have `output` tokens at most: the units of the hold. An answer that breaks off is charged so much.
    #[must_use]
    pub fn within(mut self, output: u64) -> Self {
        self.cap = output;
        self
    }

    /// Reads an answer that came as a whole.
    pub fn whole(&mut self, body: &[u8]) {
        self.hear(&Eye::for_answer(self.answer).whole(body));
    }

    /// Hears what an answer says that came as a whole, at which somebody has looked already.
    pub(crate) fn hear(&mut self, seen: &Seen) {
        self.is_complete = true;
        self.read(&seen.said);
        self.passed(seen.unread);
    }

    /// So many bytes came of an answer that is no stream, and of which no more is kept.
    pub(crate) fn passed(&mut self, bytes: usize) {
        if self.answer.is_text() {
            self.count(bytes);
        }
    }

    /// Reads what was found in such an answer when it has come to its end.
    pub(crate) fn found(&mut self, found: &Value) {
        self.is_complete = true;
        self.read(&Saying::found(self.answer, found));
    }

    /// Reads an event of a stream, with the empty line that ends it.
    pub fn frame(&mut self, frame: &[u8]) -> Passing {
        self.note(&Eye::for_answer(self.answer).look(frame))
    }

    /// Notes what an event says at which somebody has looked already.
    pub(crate) fn note(&mut self, glance: &Glance) -> Passing {
        match glance {
            Glance::Nothing => {}
            Glance::End => self.is_complete = true,
            Glance::Bytes(length) => self.count(*length),
            Glance::Said(said) => return self.note_said(said),
        }
        Passing::Pass
    }

    fn note_said(&mut self, said: &Saying) -> Passing {
        self.is_complete |= said.is_last || said.is_usage_alone;
        self.read(said);
        if said.is_usage_alone && !self.asks_usage { Passing::Drop } else { Passing::Pass }
    }

    /// Whether the answer has come to its end, so that nothing more of it has to be waited for.
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// What was used, and what that rests on. With [`Basis::Hold`] it is the most that can have been used.
    pub fn used(&self) -> (Consumption, Basis) {
        match self.meter {
            Meter::Nothing => (Consumption::default(), Basis::Upstream),
            Meter::Tokens => self.used_tokens(),
            Meter::Characters => {
                let Load { characters, input, .. } = self.load;
                (Consumption { characters, input, ..Consumption::default() }, Basis::Counted)
            }
            Meter::Images => {
                let (images, basis) = match (self.images, self.is_complete) {
                    (0, _) | (_, false) => (self.load.images, Basis::Hold),
                    (images, true) => (images, Basis::Counted),
                };
                (Consumption { images, ..Consumption::default() }, basis)
            }
            Meter::Seconds => {
                let held = self.load.audio_seconds.saturating_mul(1_000);
                let (audio_millis, basis) =
                    self.audio_millis.map_or((held, Basis::Hold), |told| (told, Basis::Upstream));
                (Consumption { audio_millis, ..Consumption::default() }, basis)
            }
        }
    }

    fn used_tokens(&self) -> (Consumption, Basis) {
        let told = self.told.consumption();
        let input = told.unwrap_or(Consumption { input: self.load.input, ..Consumption::default() });
        let output = self.told.output().filter(|output| *output > 0 || self.counted == 0);
        if let (Some(told), Some(output)) = (told, output)
            && self.is_complete
        {
            return (Consumption { output, ..told }, Basis::Upstream);
        }
        let most = self.most_output();
        // What an image has of tokens, its bytes do not tell.
        let is_all_seen = self.is_complete && self.answer != Answer::Images;
        if !is_all_seen && most < UNCAPPED {
            let output = most.max(self.told.output().unwrap_or_default());
            return (Consumption { output, ..input }, Basis::Hold);
        }
        let output = output.unwrap_or_else(|| self.counted.min(most));
        (Consumption { output, ..input }, Basis::Counted)
    }

    /// The most tokens of output that there can be; [`UNCAPPED`] or more if nobody knows.
    fn most_output(&self) -> u64 {
        let capped = self.load.choices.map_or(0, |choices| self.cap.saturating_mul(choices));
        self.load.output.saturating_add(capped)
    }

    fn read(&mut self, said: &Saying) {
        if let Some(usage) = &said.usage {
            self.told.hear(self.answer, usage, said.is_first);
            self.audio_millis = usage.millis.or(self.audio_millis);
        }
        self.audio_millis = self.audio_millis.or(said.millis);
        self.images = self.images.saturating_add(said.images);
        self.counted = self.counted.saturating_add(said.text);
    }

    fn count(&mut self, bytes: usize) {
        self.counted = self.counted.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests;
