//! Usage as upstreams tell it, in the words of both protocols and of those who nearly speak one.

use std::time::Duration;

use keystile_core::llm::Consumption;
use serde_json::Value;

use super::answer::Answer;

/// What a token costs that Anthropic keeps for an hour: two of input. It is counted as two, so that the sum is exact in money.
const KEPT_AN_HOUR: u64 = 2;
/// The largest figure that is believed: more than anybody uses in one request, and far from the end of the integer.
const MOST: u64 = 1 << 40;

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
    /// Hears of a usage, which stands in `body`. What is all zero was not measured, and changes nothing.
    pub(super) fn hear(&mut self, answer: Answer, usage: &Value, body: &Value) {
        match answer {
            Answer::Message => self.hear_message(usage, body),
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
    fn of_openai(usage: &Value) -> Self {
        let of = |names: &[&str]| names.iter().find_map(|name| count(usage, name));
        let prompt = of(&["prompt_tokens", "input_tokens"]).unwrap_or_default();
        let answer = of(&["completion_tokens", "output_tokens"]);
        let beyond = of(&["total_tokens"]).map(|total| total.saturating_sub(prompt));
        let details =
            ["prompt_tokens_details", "input_tokens_details"].iter().find_map(|name| usage.get(name));
        let detail = |name: &str| details.and_then(|details| count(details, name));
        let cached =
            detail("cached_tokens").or(of(&["prompt_cache_hit_tokens"])).unwrap_or_default().min(prompt);
        let written = detail("cache_write_tokens").unwrap_or_default().min(prompt - cached);
        Self {
            input: prompt - cached - written,
            cached,
            written,
            written_for_an_hour: 0,
            output: answer.max(beyond),
        }
    }

    /// Cached tokens are apart from the input. The beginning of a stream has a placeholder for the output; what follows is cumulative.
    fn hear_message(&mut self, usage: &Value, body: &Value) {
        let told = |name: &str, before: u64| count(usage, name).filter(|count| *count > 0).unwrap_or(before);
        self.input = told("input_tokens", self.input);
        self.cached = told("cache_read_input_tokens", self.cached);
        self.written = told("cache_creation_input_tokens", self.written);
        if let Some(creation) = usage.get("cache_creation") {
            let hour = count(creation, "ephemeral_1h_input_tokens");
            self.written_for_an_hour = hour.unwrap_or(self.written_for_an_hour);
        }
        let is_beginning = body.get("type").and_then(Value::as_str) == Some("message_start");
        if !is_beginning {
            self.output = count(usage, "output_tokens").or(self.output);
        }
    }
}

/// Audio that a usage tells of, in milliseconds.
pub(super) fn audio_millis(usage: &Value) -> Option<u64> {
    usage.get("seconds").and_then(millis)
}

/// How long a recording is, as answers with every detail tell it.
pub(super) fn duration_millis(body: &Value) -> Option<u64> {
    body.get("duration").and_then(millis)
}

/// Seconds as a number, or as the text of one, which some write, in milliseconds, rounded up.
fn millis(seconds: &Value) -> Option<u64> {
    let seconds = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok())?;
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).ok().filter(|millis| *millis <= MOST)
}

/// A count. What no answer can have is none.
fn count(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64().filter(|count| *count <= MOST)
}
