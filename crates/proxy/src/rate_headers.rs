//! What is left of limits, in the fields that clients of OpenAI's API read.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_verify::{LimitLeft, Room};

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until nothing is used any more, or, of a limit that refused, until the request fits.
    pub(crate) reset_millis: u64,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Requests,
    Tokens,
}

/// Names of fields: the limit, what is left of it, and until when.
const OF_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const OF_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Tells `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: of limits on requests the one of which least is left, and of the limit on
/// tokens, if there is one.
pub(crate) fn tell_rates<'a>(
    fields: &mut HeaderMap,
    room: &Room,
    rates: impl IntoIterator<Item = LimitLeft<'a>>,
) {
    let tightest = rates.into_iter().min_by_key(|left| (left.count.remaining, left.rate.limit()));
    if let Some(left) = tightest {
        let (remaining, reset_millis) = (left.count.remaining, left.count.reset_millis);
        Pace { limit: left.rate.limit(), remaining, reset_millis }.tell(Unit::Requests, fields);
    }
    if let Some(tokens) = &room.tokens {
        let (limit, remaining, reset_millis) = (tokens.limit, tokens.remaining, tokens.reset_millis);
        Pace { limit, remaining, reset_millis }.tell(Unit::Tokens, fields);
    }
}

impl Unit {
    const fn names(self) -> [HeaderName; 3] {
        match self {
            Self::Requests => OF_REQUESTS,
            Self::Tokens => OF_TOKENS,
        }
    }
}

impl Pace {
    pub(crate) fn tell(self, unit: Unit, fields: &mut HeaderMap) {
        let [limit, remaining, reset] = unit.names();
        fields.insert(limit, HeaderValue::from(self.limit));
        fields.insert(remaining, HeaderValue::from(self.remaining));
        let text = HeaderValue::from_str(&duration_text(self.reset_millis));
        fields.insert(reset, text.unwrap_or(HeaderValue::from_static("0s")));
    }
}

/// A duration as Go writes it, and as clients expect it: `12ms`, `8.64s`, `6m0s`, `1h0m30s`.
fn duration_text(millis: u64) -> Cow<'static, str> {
    if millis == 0 {
        return Cow::Borrowed("0s");
    }
    if millis < 1_000 {
        return Cow::Owned(format!("{millis}ms"));
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, rest) = (millis / 1_000 % 60, millis % 1_000);
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if hours > 0 || minutes > 0 {
        text.push_str(&format!("{minutes}m"));
    }
    text.push_str(&seconds.to_string());
    if rest > 0 {
        let fraction = format!("{rest:03}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('s');
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use keystile_core::rate::Count;
    use keystile_core::{Owner, Rates};
    use keystile_verify::TokenRoom;

    use super::*;

    #[test]
    fn durations_are_texts_as_clients_know_them() {
        for (millis, text) in [
            (0, "0s"),
            (12, "12ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (8_640, "8.64s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (3_630_050, "1h0m30.05s"),
            (90_000_000, "25h0m0s"),
        ] {
            assert_eq!(duration_text(millis), text);
        }
    }

    #[test]
    fn every_field_has_its_name() {
        let mut fields = HeaderMap::new();
        Pace { limit: 60, remaining: 59, reset_millis: 1_000 }.tell(Unit::Requests, &mut fields);
        let read = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(read("x-ratelimit-limit-requests"), Some("60"));
        assert_eq!(read("x-ratelimit-remaining-requests"), Some("59"));
        assert_eq!(read("x-ratelimit-reset-requests"), Some("1s"));
        assert_eq!(fields.len(), 3);
    }

    #[test]
    fn a_limit_on_tokens_is_told_beside_those_on_requests() {
        let tokens = TokenRoom { limit: 100, remaining: 40, reset_millis: 36_000 };
        let room = Room { tokens: Some(tokens), budget: None };
        let rates = Rates::new(Some(60), &[]);
        let [rate] = rates.as_slice() else { panic!("one limit") };
        let left =
            |remaining| LimitLeft { owner: Owner::Key, rate, count: Count { remaining, reset_millis: 7 } };
        let mut fields = HeaderMap::new();
        tell_rates(&mut fields, &Room::default(), []);
        assert!(fields.is_empty());
        tell_rates(&mut fields, &room, [left(9), left(3)]);
        assert_eq!(fields["x-ratelimit-remaining-requests"], "3");
        assert_eq!(fields["x-ratelimit-remaining-tokens"], "40");
        assert_eq!(fields["x-ratelimit-reset-tokens"], "36s");
    }
}
