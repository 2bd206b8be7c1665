//! Moments in time, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Invalid, text::deserialize_parsed};

/// 0000-01-01T00:00:00Z: RFC 3339 has four digits for the year and no sign.
const FIRST_MILLIS: i64 = -62_167_219_200_000;
/// 9999-12-30T22:00:00Z: the last moment that can be written whatever the offset of the reader.
const LAST_MILLIS: i64 = 253_402_207_200_000;

const RULE: &str =
    "must be an RFC 3339 time such as `2026-01-31T09:30:00Z`, at the latest `9999-12-30T22:00:00Z`";

/// Milliseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the epoch, held to the supported years.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < FIRST_MILLIS {
            Self(FIRST_MILLIS)
        } else if millis > LAST_MILLIS {
            Self(LAST_MILLIS)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment moved into the future, held to the supported years.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This moment moved into the past, held to the supported years.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The same moment with seconds and milliseconds dropped.
    #[must_use]
    pub const fn to_minute(self) -> Self {
        Self(self.0.div_euclid(60_000) * 60_000)
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-01-31T09:30:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => f.write_str("out of range"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(jiff::Timestamp::as_millisecond)
            .filter(|millis| (FIRST_MILLIS..=LAST_MILLIS).contains(millis))
            .map(Self)
            .ok_or_else(|| Invalid::rule(RULE))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_parsed(deserializer)
    }
}

/// Tells the time. Handed down from the binary, so that tests can turn it.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Milliseconds since a moment of the process's own, by a clock that nobody sets and that never goes back.
    /// Limits use it, so that a correction of the time gives nothing away.
    fn elapsed_millis(&self) -> u64;

    /// The same time as finely as the clock tells it, for what takes less than a millisecond.
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_millis())
    }

    /// The same time as [`Self::elapsed_millis`], where that counts as well in which the machine was suspended, as far as the system
    /// knows of it: a lease that somebody else believes to be over must be over here, too.
    fn unslept_millis(&self) -> u64 {
        self.elapsed_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds_and_read_with_any_offset() {
        let moment: Timestamp = "2026-01-31T10:30:00.25+01:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-01-31T09:30:00.250Z");
        assert_eq!(moment.to_minute().to_string(), "2026-01-31T09:30:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).to_minute().as_millis(), -60_000);
    }

    #[test]
    fn moments_beyond_the_calendar_are_held_at_its_edge() {
        let first = Timestamp::from_millis(i64::MIN);
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(last.plus(Duration::from_secs(1)), last);
        assert_eq!(first.minus(Duration::MAX), first);
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(first.to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(first.to_minute(), first);
    }

    #[test]
    fn a_text_that_is_no_moment_of_the_calendar_is_refused() {
        for bad in
            ["tomorrow", "", "-000001-12-31T23:59:59Z", "9999-12-30T22:00:00.001Z", "2026-02-30T00:00:00Z"]
        {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        let never = "9999-12-31T23:59:59Z".parse::<Timestamp>().unwrap_err();
        let (_, latest) = never.rule.rsplit_once("at the latest ").unwrap();
        assert_eq!(latest.trim_matches('`').parse(), Ok(Timestamp::from_millis(i64::MAX)));
    }
}
