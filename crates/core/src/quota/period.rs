//! When a budget begins anew, computed from the clock: no job resets anything.

use std::fmt;
use std::str::FromStr;

use crate::{BudgetPeriod, Invalid, Timestamp};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// 1970-01-01 was a Thursday: so many days after a Monday.
const MONDAYS_AHEAD: i32 = 3;
/// Days of 400 years, after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_SHIFT: i64 = 719_468;

/// A day in UTC, by its number since 1970-01-01. All periods of budgets begin with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// Behind every day there is; the end of what never ends.
    pub const NEVER: Self = Self(10_000_000);

    /// The day of a moment.
    pub fn of(moment: Timestamp) -> Self {
        // At most some three million.
        Self(i32::try_from(moment.as_millis().div_euclid(DAY_MILLIS)).unwrap_or(Self::NEVER.0))
    }

    /// The day with this number.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its first moment, held to the supported years.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * DAY_MILLIS)
    }

    /// So many days later, or earlier if negative.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Year, month from 1, and day of the month, by the algorithm `civil_from_days` of
    /// <https://howardhinnant.github.io/date_algorithms.html>.
    const fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0 as i64 + EPOCH_SHIFT;
        let era = shifted.div_euclid(ERA_DAYS);
        let of_era = shifted.rem_euclid(ERA_DAYS);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }

    /// The day of a date, by the algorithm `days_from_civil` of the same page. `month` counts from 1.
    fn from_civil(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * from_march + 2) / 5 + day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        Self(i32::try_from(era * ERA_DAYS + of_era - EPOCH_SHIFT).unwrap_or(Self::NEVER.0))
    }

    fn month(self) -> (Self, Self) {
        let (year, month, _) = self.civil();
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        (Self::from_civil(year, month, 1), Self::from_civil(next_year, next_month, 1))
    }

    const fn monday(self) -> Self {
        Self(self.0 - (self.0 + MONDAYS_AHEAD).rem_euclid(7))
    }
}

/// As in RFC 3339: `2026-01-31`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let start: Result<Timestamp, _> = format!("{text}T00:00:00Z").parse();
        start.map(Self::of).map_err(|_| Invalid::rule("must be a day such as `2026-01-31`"))
    }
}

/// The time for which a budget lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first moment; for a lifetime before every other.
    pub start: Timestamp,
    /// The first moment that is no longer in it; `None` if it never ends.
    pub end: Option<Timestamp>,
}

impl Span {
    /// Whether a moment is in it.
    pub fn covers(&self, moment: Timestamp) -> bool {
        self.start <= moment && self.end.is_none_or(|end| moment < end)
    }

    /// Its first day.
    pub fn first_day(&self) -> Day {
        Day::of(self.start)
    }

    /// The first day that is no longer in it, or [`Day::NEVER`].
    pub fn end_day(&self) -> Day {
        self.end.map_or(Day::NEVER, Day::of)
    }
}

impl BudgetPeriod {
    /// The present period: whole days of UTC, weeks from Monday. A lifetime is from before every moment, and has no end.
    pub fn span_at(self, now: Timestamp) -> Span {
        let today = Day::of(now);
        let days = |(first, end): (Day, Day)| Span { start: first.start(), end: Some(end.start()) };
        match self {
            Self::Lifetime => Span { start: Timestamp::from_millis(i64::MIN), end: None },
            Self::Day => days((today, today.plus(1))),
            Self::Week => days((today.monday(), today.monday().plus(7))),
            Self::Month => days(today.month()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn span(period: BudgetPeriod, now: &str) -> (String, String) {
        let span = period.span_at(moment(now));
        assert!(span.covers(moment(now)));
        assert!(!span.covers(span.end.unwrap()));
        let text = |moment: Timestamp| moment.to_string().replace("T00:00:00.000Z", "");
        (text(span.start), text(span.end.unwrap()))
    }

    fn days(first: &str, end: &str) -> (String, String) {
        (first.to_owned(), end.to_owned())
    }

    #[test]
    fn periods_begin_at_midnight_on_mondays_and_with_the_month() {
        assert_eq!(span(BudgetPeriod::Day, "2026-01-31T23:59:59.999Z"), days("2026-01-31", "2026-02-01"));
        assert_eq!(span(BudgetPeriod::Day, "2026-02-01T00:00:00Z"), days("2026-02-01", "2026-02-02"));
        // 2026-02-02 is a Monday.
        assert_eq!(span(BudgetPeriod::Week, "2026-02-01T23:59:59Z"), days("2026-01-26", "2026-02-02"));
        assert_eq!(span(BudgetPeriod::Week, "2026-02-02T00:00:00Z"), days("2026-02-02", "2026-02-09"));
        assert_eq!(span(BudgetPeriod::Month, "2026-12-31T23:59:59Z"), days("2026-12-01", "2027-01-01"));
        assert_eq!(span(BudgetPeriod::Month, "2027-01-01T00:00:00Z"), days("2027-01-01", "2027-02-01"));
    }

    #[test]
    fn february_has_its_leap_day() {
        assert_eq!(span(BudgetPeriod::Month, "2028-02-29T12:00:00Z"), days("2028-02-01", "2028-03-01"));
        assert_eq!(span(BudgetPeriod::Day, "2028-02-29T12:00:00Z"), days("2028-02-29", "2028-03-01"));
        assert_eq!(span(BudgetPeriod::Month, "2100-02-28T23:00:00Z"), days("2100-02-01", "2100-03-01"));
        assert_eq!(span(BudgetPeriod::Day, "2100-02-28T23:00:00Z"), days("2100-02-28", "2100-03-01"));
    }

    #[test]
    fn a_lifetime_has_neither_beginning_nor_end() {
        let span = BudgetPeriod::Lifetime.span_at(moment("2026-01-31T00:00:00Z"));
        assert!(span.covers(Timestamp::from_millis(i64::MIN)) && span.covers(Timestamp::from_millis(i64::MAX)));
        assert_eq!(span.end_day(), Day::NEVER);
    }

    #[test]
    fn days_are_written_as_dates_and_read_again() {
        for text in ["0000-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "2026-10-05", "9999-12-30"] {
            let day: Day = text.parse().unwrap();
            assert_eq!(day.to_string(), text);
            assert_eq!(Day::of(day.start()), day);
            let (year, month, of_month) = day.civil();
            assert_eq!(Day::from_civil(year, month, of_month), day);
        }
        assert_eq!("1970-01-02".parse::<Day>().unwrap().number(), 1);
        assert!("2026-02-30".parse::<Day>().is_err());
        assert!("2026-02-03T00:00:00Z".parse::<Day>().is_err());
    }
}
