//! How a model behaves: fields behind `+` in its name, such as `mock+slow=20+cut=3`, so that a client can ask for it through
//! any gateway.

use std::time::Duration;

/// Tokens of an answer, unless something else is asked for.
const TOKENS: u64 = 32;
/// Most tokens of an answer, for each choice: what is not streamed stands in memory.
const MAX_TOKENS: u64 = 100_000;
/// Most tokens that a request counts as, so that sums have room.
const MAX_INPUT: u64 = 1_000_000_000;
/// Longest text of a flood, in KiB, for the same reason.
const MAX_FLOOD: u64 = 64 * 1024;
/// Longest list of zeros, likewise.
const MAX_ZEROS: u64 = 4 * 1024 * 1024;

/// Every behaviour: what stands behind `+`, and what it means.
pub const BEHAVIOURS: &[(&str, &str)] = &[
    ("tokens=N", "the answer has N tokens, unless fewer are asked for (32)"),
    ("input=N", "the request counts as N tokens, whatever it holds"),
    ("cached[=N]", "N tokens of the input were read from a cache (half of them)"),
    ("cache-write=N", "N tokens of the input were written to a cache; on Anthropic routes"),
    ("reasoning[=N]", "N tokens of the output are thoughts and not shown (half of them)"),
    ("overrun", "the most tokens that are asked for are ignored"),
    ("usage-missing", "the answer does not tell its usage"),
    ("usage-zero", "the answer tells a usage of zero"),
    ("usage-twice", "a stream tells a part of its usage before the whole"),
    ("slow[=MS]", "a pause of MS milliseconds before each frame but the first, or before the answer (50)"),
    ("cut[=N]", "the connection is closed after N frames, or within the answer (1)"),
    ("stall[=N]", "nothing more is sent after N frames, until POST /mock/resume (1)"),
    ("error-after=N", "an error follows after N frames"),
    ("flood[=KIB]", "one frame, or the text, is so large (2048)"),
    ("zeros=N", "an answer of chat or responses has a list of N zeros beside it, in a stream at its end"),
    ("hang", "there is no answer"),
    ("endless", "a stream has no end, whatever is asked for"),
    ("packed", "the answer says that it is packed with gzip, though nobody has asked for that"),
    ("error-STATUS", "the answer is an error, from 400 to 599"),
    ("retry-after=S", "an error tells to come again in S seconds"),
    ("no-money", "an error says that the account has no money left"),
    ("echo", "an error repeats the headers that were sent, with what they tell in confidence"),
    ("times=N", "cut, stall, hang, flood and errors happen to the first N requests with this name only"),
];

/// A behaviour that does not exist, or has another value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is no behaviour of the mock; it has {}", known())]
pub struct UnknownBehaviour {
    field: String,
}

fn known() -> String {
    BEHAVIOURS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// What is told of the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Told {
    /// What it was.
    #[default]
    Truly,
    /// Nothing.
    Missing,
    /// That it was zero.
    Zero,
    /// A part in the middle of a stream, and all at its end.
    Twice,
}

/// A part of some tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Half,
    Exactly(u64),
}

impl Part {
    pub(crate) fn of(self, whole: u64) -> u64 {
        match self {
            Self::Half => whole / 2,
            Self::Exactly(count) => count.min(whole),
        }
    }
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Behaviour {
    tokens: Option<u64>,
    overruns: bool,
    pub(crate) input: Option<u64>,
    pub(crate) cached: Option<Part>,
    pub(crate) cache_write: Option<u64>,
    pub(crate) reasoning: Option<Part>,
    pub(crate) told: Told,
    pub(crate) slow: Option<Duration>,
    pub(crate) cut: Option<u64>,
    pub(crate) stall: Option<u64>,
    pub(crate) error_after: Option<u64>,
    /// Characters.
    pub(crate) flood: Option<usize>,
    pub(crate) zeros: usize,
    pub(crate) hangs: bool,
    pub(crate) is_endless: bool,
    pub(crate) is_packed: bool,
    pub(crate) error: Option<u16>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) has_no_money: bool,
    pub(crate) echoes: bool,
    pub(crate) times: Option<u64>,
}

impl Behaviour {
    /// What the name of a model asks for, on top of `all`, which is for every model.
    pub(crate) fn of(model: &str, all: &Self) -> Result<Self, UnknownBehaviour> {
        let fields = model.split_once('+').map(|(_, fields)| fields).unwrap_or_default();
        all.with(fields)
    }

    /// The same with further fields, joined by `+`.
    pub(crate) fn with(&self, fields: &str) -> Result<Self, UnknownBehaviour> {
        let mut behaviour = self.clone();
        for field in fields.split('+').filter(|field| !field.is_empty()) {
            behaviour.take(field).ok_or_else(|| UnknownBehaviour { field: field.to_owned() })?;
        }
        Ok(behaviour)
    }

    fn take(&mut self, field: &str) -> Option<()> {
        if let Some(status) = field.strip_prefix("error-").and_then(|status| status.parse::<u16>().ok()) {
            self.error = Some(status).filter(|status| (400..=599).contains(status));
            return self.error.map(drop);
        }
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(value.parse::<u64>().ok()?)),
            None => (field, None),
        };
        let part = value.map_or(Part::Half, Part::Exactly);
        match (name, value) {
            ("tokens", Some(count)) => self.tokens = Some(count.min(MAX_TOKENS)),
            ("input", Some(count)) => self.input = Some(count.min(MAX_INPUT)),
            ("cached", _) => self.cached = Some(part),
            ("cache-write", Some(count)) => self.cache_write = Some(count),
            ("reasoning", _) => self.reasoning = Some(part),
            ("overrun", None) => self.overruns = true,
            ("usage-missing", None) => self.told = Told::Missing,
            ("usage-zero", None) => self.told = Told::Zero,
            ("usage-twice", None) => self.told = Told::Twice,
            ("slow", _) => self.slow = Some(Duration::from_millis(value.unwrap_or(50))),
            ("cut", _) => self.cut = Some(value.unwrap_or(1)),
            ("stall", _) => self.stall = Some(value.unwrap_or(1)),
            ("error-after", Some(count)) => self.error_after = Some(count),
            ("flood", _) => self.flood = Some(characters(value.unwrap_or(2048))),
            ("zeros", Some(count)) => self.zeros = usize::try_from(count.min(MAX_ZEROS)).unwrap_or_default(),
            ("hang", None) => self.hangs = true,
            ("endless", None) => self.is_endless = true,
            ("packed", None) => self.is_packed = true,
            ("no-money", None) => self.has_no_money = true,
            ("echo", None) => self.echoes = true,
            ("retry-after", Some(seconds)) => self.retry_after = Some(seconds),
            ("times", Some(count)) => self.times = Some(count),
            _ => return None,
        }
        Some(())
    }

    /// The same without what goes wrong, for requests after those that it was asked for.
    pub(crate) fn recovered(self) -> Self {
        let (cut, stall, error_after, flood, error) = Default::default();
        Self { cut, stall, error_after, flood, error, hangs: false, ..self }
    }

    /// Tokens of each choice, when `most` are asked for, and whether it ends for that.
    pub(crate) fn length(&self, most: Option<u64>) -> (u64, Ends) {
        let wanted = self.tokens.unwrap_or(TOKENS);
        match most {
            Some(most) if most < wanted && !self.overruns => (most, Ends::AtTheMost),
            Some(_) | None => (wanted, Ends::ByItself),
        }
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    ByItself,
    AtTheMost,
    WithATool,
}

fn characters(kib: u64) -> usize {
    usize::try_from(kib.min(MAX_FLOOD)).unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: &str) -> Behaviour {
        Behaviour::of(model, &Behaviour::default()).unwrap()
    }

    #[test]
    fn the_name_of_a_model_tells_how_it_behaves() {
        assert_eq!(of("gpt-4o"), Behaviour::default());
        let both = of("mock+cut=3+slow=20");
        assert_eq!((both.cut, both.slow), (Some(3), Some(Duration::from_millis(20))));
        assert_eq!(of("mock+error-429+retry-after=7").error, Some(429));
        assert_eq!(of("mock+error-after=2").error_after, Some(2));
        assert_eq!(of("mock+cached").cached.map(|part| part.of(7)), Some(3));
        assert_eq!(of("mock+cached=9").cached.map(|part| part.of(7)), Some(7));
    }

    #[test]
    fn every_behaviour_of_the_table_can_be_asked_for() {
        for (name, _) in BEHAVIOURS {
            let name = name.replace("STATUS", "503");
            let with = name.replace(['[', ']'], "");
            let with = with.split('=').collect::<Vec<_>>();
            let field = if with.len() == 2 { format!("{}=5", with[0]) } else { with[0].to_owned() };
            assert_ne!(of(&format!("m+{field}")), Behaviour::default(), "{field}");
            if let Some((bare, _)) = name.split_once('[') {
                assert_ne!(of(&format!("m+{bare}")), Behaviour::default(), "{bare}");
            }
        }
    }

    #[test]
    fn what_is_no_behaviour_is_named() {
        for field in ["swift", "cut=three", "tokens", "hang=1", "error-200", "times"] {
            let error = Behaviour::of(&format!("m+{field}"), &Behaviour::default()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{field}` is no behaviour")), "{error}");
        }
    }

    #[test]
    fn an_answer_is_as_long_as_it_is_asked_to_be_unless_it_overruns() {
        assert_eq!(of("m").length(None), (32, Ends::ByItself));
        assert_eq!(of("m").length(Some(5)), (5, Ends::AtTheMost));
        assert_eq!(of("m+tokens=4").length(Some(5)), (4, Ends::ByItself));
        assert_eq!(of("m+overrun").length(Some(5)), (32, Ends::ByItself));
    }
}
