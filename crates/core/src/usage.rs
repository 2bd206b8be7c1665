//! How often keys are allowed and refused, minute by minute.

use crate::invalid::text_enum;
use crate::{Code, Invalid, KeyId, TenantId, Timestamp};

const MINUTE_MILLIS: i64 = 60_000;

/// Most points of one series: a day of minutes, two months of hours, four years of days.
pub const MOST_POINTS: i64 = 1_500;

/// A minute of the calendar, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(u32);

impl Minute {
    /// The minute that a moment lies in; one before 1970 counts as the first.
    pub fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.as_millis().div_euclid(MINUTE_MILLIS).max(0)).unwrap_or(u32::MAX))
    }

    /// The minute with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How often one decision about a key was made in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// The key's tenant.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
    /// When.
    pub minute: Minute,
    /// The decision.
    pub code: Code,
    /// How often, since that was last written down.
    pub count: u64,
}

text_enum!(
    /// How long each point of a series is.
    Step {
        /// One minute.
        Minute = "minute",
        /// One hour.
        Hour = "hour",
        /// One day of UTC.
        Day = "day",
    }
);

impl Step {
    /// Its length in minutes.
    pub const fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        }
    }
}

/// Whole steps of time, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    first: i64,
    end: i64,
    step: Step,
}

impl Span {
    /// The steps that lie, with any part, between `from` and `to`.
    ///
    /// # Errors
    /// When `to` is not later, or the steps are more than [`MOST_POINTS`].
    pub fn new(from: Timestamp, to: Timestamp, step: Step) -> Result<Self, Invalid> {
        if from >= to {
            return Err(Invalid::new("to", "must be later than `from`"));
        }
        let millis = step.minutes() * MINUTE_MILLIS;
        let first = from.as_millis().div_euclid(millis);
        let end = (to.as_millis() - 1).div_euclid(millis) + 1;
        if end - first > MOST_POINTS {
            let rule = format!(
                "must be longer: from `from` to `to` there are more than {MOST_POINTS} points of one {step}"
            );
            return Err(Invalid::new("step", rule));
        }
        Ok(Self { first, end, step })
    }

    /// How long each step is.
    pub const fn step(self) -> Step {
        self.step
    }

    /// Where the first step begins.
    pub const fn from(self) -> Timestamp {
        self.start_of(self.first)
    }

    /// Where the last step ends.
    pub const fn to(self) -> Timestamp {
        self.start_of(self.end)
    }

    /// The numbers of the first minute, and of the first that is behind the end.
    pub const fn minutes(self) -> (i64, i64) {
        (self.first * self.step.minutes(), self.end * self.step.minutes())
    }

    /// The beginning of each step, with the number of its first minute.
    pub fn points(self) -> impl Iterator<Item = (i64, Timestamp)> {
        (self.first..self.end).map(move |number| (number * self.step.minutes(), self.start_of(number)))
    }

    const fn start_of(self, number: i64) -> Timestamp {
        Timestamp::from_millis(number * self.step.minutes() * MINUTE_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_is_made_of_whole_steps_of_utc() {
        let (from, to) = (at("2026-01-31T23:59:59.999Z"), at("2026-02-01T01:00:00.001Z"));
        for (step, points, first, end) in [
            (Step::Minute, 62, "2026-01-31T23:59:00Z", "2026-02-01T01:01:00Z"),
            (Step::Hour, 3, "2026-01-31T23:00:00Z", "2026-02-01T02:00:00Z"),
            (Step::Day, 2, "2026-01-31T00:00:00Z", "2026-02-02T00:00:00Z"),
        ] {
            let span = Span::new(from, to, step).unwrap();
            assert_eq!((span.from(), span.to(), span.points().count()), (at(first), at(end), points));
            assert_eq!(span.points().next(), Some((span.minutes().0, at(first))));
        }
        let aligned = Span::new(at("2026-01-31T00:00:00Z"), at("2026-02-01T00:00:00Z"), Step::Hour).unwrap();
        assert_eq!(aligned.points().count(), 24);
    }

    #[test]
    fn a_span_that_is_empty_or_has_too_many_points_is_refused() {
        let (from, day) = (at("2026-01-31T00:00:00Z"), std::time::Duration::from_secs(86_400));
        assert_eq!(Span::new(from, from, Step::Day).unwrap_err().field, "to");
        assert_eq!(Span::new(from, from.plus(2 * day), Step::Minute).unwrap_err().field, "step");
        let longest = from.plus(day + std::time::Duration::from_secs(60 * 60));
        assert_eq!(Span::new(from, longest, Step::Minute).unwrap().points().count(), 1_500);
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(Span::new(first, last, Step::Day).unwrap_err().field, "step");
        assert!(Span::new(last.minus(day), last, Step::Day).is_ok());
    }

    #[test]
    fn minutes_begin_with_1970() {
        assert_eq!(Minute::of(at("1970-01-01T00:02:59.999Z")), Minute::new(2));
        assert_eq!(Minute::of(at("1969-01-01T00:00:00Z")), Minute::new(0));
    }
}
