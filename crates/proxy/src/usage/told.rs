//! Usage as upstreams tell it, in the words of both protocols and of those who nearly speak one.

use std::time::Duration;

use keystile_core::llm::Consumption;
use serde::de::MapAccess;

use super::answer::Answer;
use super::taking::{Take, pass_over, taken};

/// What a token costs that Anthropic keeps for an hour: two of input. It is counted as two, so that the sum is exact in money.
const KEPT_AN_HOUR: u64 = 2;
/// The largest figure that is believed: more than anybody uses in one request, and far from the end of the integer.
const MOST: u64 = 1 << 40;

/// What stands in one usage, in whichever words. What is no count, or one that no answer can have, is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    prompt: Option<u64>,
    prompt_details: Option<Details>,
    prompt_cache_hit: Option<u64>,
    completion: Option<u64>,
    input: Option<u64>,
    input_details: Option<Details>,
    output: Option<u64>,
    total: Option<u64>,
    cache_read: Option<u64>,
    cache_creation: Option<u64>,
    cached_for_an_hour: Option<u64>,
    /// Audio, in milliseconds.
    pub(super) millis: Option<u64>,
}

/// Parts of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Details {
    cached: Option<u64>,
    written: Option<u64>,
    for_an_hour: Option<u64>,
}

/// A member that is a usage if it is an object.
#[derive(Default)]
pub(super) struct Named(pub(super) Option<Box<Usage>>);

impl<'de> Take<'de> for Named {
    fn object(&mut self) {
        self.0 = Some(Box::default());
    }

    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        self.0.get_or_insert_default().read(name, members)
    }
}

impl Usage {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        let count = match name {
            "prompt_tokens_details" => {
                self.prompt_details = Some(taken(members)?);
                return Ok(());
            }
            "input_tokens_details" => {
                self.input_details = Some(taken(members)?);
                return Ok(());
            }
            "cache_creation" => {
                self.cached_for_an_hour = taken::<Details, A>(members)?.for_an_hour;
                return Ok(());
            }
            "seconds" => {
                self.millis = taken::<Seconds, A>(members)?.millis();
                return Ok(());
            }
            "prompt_tokens" => &mut self.prompt,
            "prompt_cache_hit_tokens" => &mut self.prompt_cache_hit,
            "completion_tokens" => &mut self.completion,
            "input_tokens" => &mut self.input,
            "output_tokens" => &mut self.output,
            "total_tokens" => &mut self.total,
            "cache_read_input_tokens" => &mut self.cache_read,
            "cache_creation_input_tokens" => &mut self.cache_creation,
            _ => return pass_over(members),
        };
        let Count(told) = taken(members)?;
        *count = told;
        Ok(())
    }
}

impl<'de> Take<'de> for Details {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<(), A::Error> {
        let count = match name {
            "cached_tokens" => &mut self.cached,
            "cache_write_tokens" => &mut self.written,
            "ephemeral_1h_input_tokens" => &mut self.for_an_hour,
            _ => return pass_over(members),
        };
        let Count(told) = taken(members)?;
        *count = told;
        Ok(())
    }
}

/// A count that is believed.
#[derive(Default)]
struct Count(Option<u64>);

impl Take<'_> for Count {
    fn count(&mut self, count: u64) {
        self.0 = Some(count).filter(|count| *count <= MOST);
    }
}

/// Seconds as a number, or as the text of one, which some write.
#[derive(Default)]
pub(super) struct Seconds(Option<f64>);

impl Take<'_> for Seconds {
    fn text(&mut self, text: &str) {
        self.0 = text.parse().ok();
    }

    fn count(&mut self, count: u64) {
        self.0 = Some(count as f64);
    }

    fn number(&mut self, number: f64) {
        self.0 = Some(number);
    }
}

impl Seconds {
    /// The same in milliseconds, rounded up.
    pub(super) fn millis(&self) -> Option<u64> {
        let duration = Duration::try_from_secs_f64(self.0?).ok()?;
        u64::try_from(duration.as_nanos().div_ceil(1_000_000)).ok().filter(|millis| *millis <= MOST)
    }
}

/// The last usage that was told. What it leaves out stays as it was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Neither cached nor cache written.
    input: u64,
    cached: u64,
    written: u64,
    written_for_an_hour: u64,
    output: Option<u64>,
}

impl Told {
    /// Hears of a usage, which stands in the beginning of a message or elsewhere. What is all zero was not measured, and changes nothing.
    pub(super) fn hear(&mut self, answer: Answer, usage: &Usage, is_beginning: bool) {
        match answer {
            Answer::Message => self.hear_message(usage, is_beginning),
            Answer::Choices
            | Answer::Response
            | Answer::Vectors
            | Answer::Images
            | Answer::Transcript
            | Answer::Opaque => {
                let told = Self::of_openai(usage);
                if told.tokens() > 0 {
                    *self = told;
                }
            }
        }
    }

    /// Everything but the output; `None` if no input was told.
    pub(super) fn consumption(&self) -> Option<Consumption> {
        let hour = self.written_for_an_hour.min(self.written);
        let used = Consumption {
            input: self.input.saturating_add(hour.saturating_mul(KEPT_AN_HOUR)),
            cached_input: self.cached,
            cache_write: self.written - hour,
            ..Consumption::default()
        };
        (used.tokens() > 0).then_some(used)
    }

    /// The output, if it was told.
    pub(super) const fn output(&self) -> Option<u64> {
        self.output
    }

    fn tokens(&self) -> u64 {
        let input = self.input.saturating_add(self.cached).saturating_add(self.written);
        input.saturating_add(self.output.unwrap_or_default())
    }

    /// Cached tokens are part of the input. Output that only the total shows, as of those who leave thoughts out, is output.
    fn of_openai(usage: &Usage) -> Self {
        let prompt = usage.prompt.or(usage.input).unwrap_or_default();
        let answer = usage.completion.or(usage.output);
        let beyond = usage.total.map(|total| total.saturating_sub(prompt));
        let details = usage.prompt_details.or(usage.input_details).unwrap_or_default();
        let cached = details.cached.or(usage.prompt_cache_hit).unwrap_or_default().min(prompt);
        let written = details.written.unwrap_or_default().min(prompt - cached);
        Self {
            input: prompt - cached - written,
            cached,
            written,
            written_for_an_hour: 0,
            output: answer.max(beyond),
        }
    }

    /// Cached tokens are apart from the input. The beginning of a stream has a placeholder for the output; what follows is cumulative.
    fn hear_message(&mut self, usage: &Usage, is_beginning: bool) {
        let told = |count: Option<u64>, before: u64| count.filter(|count| *count > 0).unwrap_or(before);
        self.input = told(usage.input, self.input);
        self.cached = told(usage.cache_read, self.cached);
        self.written = told(usage.cache_creation, self.written);
        self.written_for_an_hour = usage.cached_for_an_hour.unwrap_or(self.written_for_an_hour);
        if !is_beginning {
            self.output = usage.output.or(self.output);
        }
    }
}
