//! Times as people write and read them.

use std::time::Duration;

use keystile_core::{Invalid, Timestamp};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const YEAR: u64 = 365 * DAY;
/// Farthest end that can be given as a span: 100 years.
const SPAN_MAX: u64 = 100 * YEAR;

/// When something ends: so long from now, or at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// So long from now.
    After(Duration),
    /// At this moment.
    At(Timestamp),
}

impl End {
    /// Reads `90min`, `12h`, `30d`, `8w`, `1y`, any other span, or an RFC 3339 time.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        let rule = "must be a span such as `90min`, `12h`, `30d`, `8w` or `1y`, of at most 100 years, \
            or an RFC 3339 time such as `2027-01-31T00:00:00Z`";
        span(text).map(Self::After).ok_or_else(|| Invalid::rule(rule))
    }

    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(span) => now.plus(span),
            Self::At(moment) => moment,
        }
    }
}

/// When something was: so long before now, or at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// So long before now.
    Ago(Duration),
    /// At this moment.
    At(Timestamp),
}

impl Past {
    /// Reads `90min`, `12h`, `30d`, any other span, or an RFC 3339 time.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        let rule = "must be a span such as `90min`, `12h` or `30d` before now, of at most 100 years, \
            or an RFC 3339 time such as `2026-01-31T00:00:00Z`";
        span(text).map(Self::Ago).ok_or_else(|| Invalid::rule(rule))
    }

    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(moment) => moment,
        }
    }
}

/// Reads a count and a unit, such as `30s` or `12h`, of at most 100 years.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => WEEK,
        "y" => YEAR,
        _ => return None,
    };
    let total = count.parse::<u64>().ok()?.checked_mul(seconds)?;
    (1..=SPAN_MAX).contains(&total).then(|| Duration::from_secs(total))
}

/// How long ago, roughly: last use is known to the minute, no better.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = u64::try_from(now.as_seconds().saturating_sub(then.as_seconds())).unwrap_or(0);
    match seconds {
        ..HOUR if seconds < 2 * MINUTE => "just now".to_owned(),
        ..HOUR => format!("{} min ago", seconds / MINUTE),
        HOUR..DAY => format!("{} h ago", seconds / HOUR),
        DAY.. => format!("{} d ago", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_is_a_span_or_a_moment() {
        let now = at("2026-01-31T09:30:00Z");
        for (text, end) in [
            ("45s", "2026-01-31T09:30:45Z"),
            ("90min", "2026-01-31T11:00:00Z"),
            ("12h", "2026-01-31T21:30:00Z"),
            ("30d", "2026-03-02T09:30:00Z"),
            ("2w", "2026-02-14T09:30:00Z"),
            ("1y", "2027-01-31T09:30:00Z"),
            ("2026-06-01T00:00:00+02:00", "2026-05-31T22:00:00Z"),
        ] {
            assert_eq!(End::parse(text).unwrap().moment(now), at(end), "{text}");
        }
    }

    #[test]
    fn what_is_past_is_a_span_before_now_or_a_moment() {
        let now = at("2026-01-31T09:30:00Z");
        for (text, then) in
            [("90min", "2026-01-31T08:00:00Z"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")]
        {
            assert_eq!(Past::parse(text).unwrap().moment(now), at(then), "{text}");
        }
        assert!(Past::parse("yesterday").is_err());
    }

    #[test]
    fn a_span_has_one_unit_and_an_end() {
        for bad in [
            "",
            "30",
            "d",
            "0d",
            "-1d",
            "3m",
            "1d12h",
            "1.5d",
            "101y",
            "99999999999999999999d",
            "30 d",
            "tomorrow",
        ] {
            assert!(End::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_are_rough() {
        let now = at("2026-01-31T09:30:00Z");
        for (then, age) in [
            ("2026-01-31T09:29:00Z", "just now"),
            ("2026-01-31T09:31:00Z", "just now"),
            ("2026-01-31T09:25:10Z", "4 min ago"),
            ("2026-01-31T07:00:00Z", "2 h ago"),
            ("2026-01-28T09:30:00Z", "3 d ago"),
        ] {
            assert_eq!(ago(at(then), now), age);
        }
    }
}
