//! How often keys are allowed and refused, minute by minute.

use std::time::Duration;

use crate::invalid::text_enum;
use crate::{Code, Environment, Invalid, KeyId, TenantId, Timestamp};

const MINUTE_MILLIS: i64 = 60_000;

/// How long it is kept how often keys were used.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

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

    /// The moment at which it begins.
    pub fn starts_at(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * MINUTE_MILLIS)
    }
}

text_enum!(
    /// How long a decision waited for what is known of its key.
    Latency {
        /// Not at all, as the key was in memory. Such decisions are not timed.
        Memory = "memory",
        /// At most 1 ms.
        UpTo1Ms = "up_to_1_ms",
        /// At most 5 ms.
        UpTo5Ms = "up_to_5_ms",
        /// At most 25 ms.
        UpTo25Ms = "up_to_25_ms",
        /// At most 100 ms.
        UpTo100Ms = "up_to_100_ms",
        /// At most 500 ms.
        UpTo500Ms = "up_to_500_ms",
        /// Longer.
        Longer = "longer",
    }
);

impl Latency {
    /// Where a wait that was measured belongs.
    pub fn of(waited: Duration) -> Self {
        let holds = |latency: &Self| latency.bound().is_none_or(|bound| waited <= bound);
        // Where nothing was measured, none of these belongs.
        let mut measured = Self::ALL.iter().copied().filter(|latency| *latency != Self::Memory);
        measured.find(holds).unwrap_or(Self::Longer)
    }

    /// The longest wait that belongs here, if there is one.
    pub const fn bound(self) -> Option<Duration> {
        let millis = match self {
            Self::Memory => 0,
            Self::UpTo1Ms => 1,
            Self::UpTo5Ms => 5,
            Self::UpTo25Ms => 25,
            Self::UpTo100Ms => 100,
            Self::UpTo500Ms => 500,
            Self::Longer => return None,
        };
        Some(Duration::from_millis(millis))
    }
}

/// How often one decision about a key was made in a minute, after the same wait.
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
    /// How long it waited for its key.
    pub latency: Latency,
    /// The only environment in which the key works.
    pub environment: Environment,
    /// How often, since that was last written down.
    pub count: u64,
}

/// How often one decision was made in one step of a series, after the same wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    /// The number of the step's first minute.
    pub minute: i64,
    /// The decision.
    pub code: Code,
    /// How long it waited for its key.
    pub latency: Latency,
    /// How often.
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

    /// How long all but the last step of a series take together whose beginning nobody names.
    const fn before_the_last(self) -> Duration {
        let (points, minutes) = match self {
            Self::Minute => (60, 1),
            Self::Hour => (24, 60),
            Self::Day => (30, 24 * 60),
        };
        Duration::from_secs((points - 1) * minutes * 60)
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

    /// The same, where ends may be left open: the last step is then that of `now`, and there are as many as make an hour of
    /// minutes, a day of hours, or a month of days.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn within(
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        step: Step,
        now: Timestamp,
    ) -> Result<Self, Invalid> {
        const MILLISECOND: Duration = Duration::from_millis(1);
        let to = to.unwrap_or_else(|| now.plus(MILLISECOND));
        let from = from.unwrap_or_else(|| to.minus(step.before_the_last() + MILLISECOND));
        Self::new(from, to, step)
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
        let (from, day) = (at("2026-01-31T00:00:00Z"), Duration::from_secs(86_400));
        assert_eq!(Span::new(from, from, Step::Day).unwrap_err().field, "to");
        assert_eq!(Span::new(from, from.plus(2 * day), Step::Minute).unwrap_err().field, "step");
        let longest = from.plus(day + Duration::from_secs(60 * 60));
        assert_eq!(Span::new(from, longest, Step::Minute).unwrap().points().count(), 1_500);
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(Span::new(first, last, Step::Day).unwrap_err().field, "step");
        assert!(Span::new(last.minus(day), last, Step::Day).is_ok());
    }

    #[test]
    fn a_span_with_open_ends_is_the_usual_one_up_to_now() {
        let now = at("2026-01-31T10:00:00Z");
        for (step, points, first, end) in [
            (Step::Minute, 60, "2026-01-31T09:01:00Z", "2026-01-31T10:01:00Z"),
            (Step::Hour, 24, "2026-01-30T11:00:00Z", "2026-01-31T11:00:00Z"),
            (Step::Day, 30, "2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z"),
        ] {
            let span = Span::within(None, None, step, now).unwrap();
            assert_eq!((span.from(), span.to(), span.points().count()), (at(first), at(end), points));
        }
        let before = Span::within(None, Some(now), Step::Hour, now).unwrap();
        assert_eq!((before.to(), before.points().count()), (now, 24));
        let since = Span::within(Some(now), None, Step::Hour, now).unwrap();
        assert_eq!((since.from(), since.points().count()), (now, 1));
        assert_eq!(
            Span::within(Some(at("2026-02-01T00:00:00Z")), None, Step::Hour, now).unwrap_err().field,
            "to"
        );
    }

    #[test]
    fn a_wait_belongs_to_the_least_bound_that_holds_it() {
        for (micros, latency) in [
            (0, Latency::UpTo1Ms),
            (1_000, Latency::UpTo1Ms),
            (1_001, Latency::UpTo5Ms),
            (25_000, Latency::UpTo25Ms),
            (99_999, Latency::UpTo100Ms),
            (500_000, Latency::UpTo500Ms),
            (500_001, Latency::Longer),
        ] {
            assert_eq!(Latency::of(Duration::from_micros(micros)), latency);
        }
        assert_eq!(Latency::of(Duration::MAX), Latency::Longer);
    }

    #[test]
    fn minutes_begin_with_1970() {
        assert_eq!(Minute::of(at("1970-01-01T00:02:59.999Z")), Minute::new(2));
        assert_eq!(Minute::of(at("1969-01-01T00:00:00Z")), Minute::new(0));
    }
}
