//! How often and at what cost a key may be used.

use serde::{Deserialize, Serialize};

use crate::invalid::text_enum;
use crate::key::write;
use crate::quota::{Budget, TPM};
use crate::text::check_line;
use crate::{Invalid, NanoUsd, Rates};

/// Largest count any limit may name.
pub const MAX_COUNT: u64 = 1_000_000_000;
/// Longest window of a rate limit: 31 days.
pub const MAX_WINDOW_SECONDS: u64 = 31 * 24 * 60 * 60;
/// What `rpm_limit` and `tpm_limit` are called in answers.
const RESERVED_NAMES: [&str; 2] = [crate::rate::RPM, TPM];
/// Most rate limits beside `rpm_limit` on one key.
pub const MAX_RATE_LIMITS: usize = 10;

text_enum!(
    /// How long a budget lasts before it begins anew, in UTC.
    BudgetPeriod {
        /// Never begins anew.
        Lifetime = "lifetime",
        /// From midnight.
        Day = "day",
        /// From Monday, midnight.
        Week = "week",
        /// From the first of the month, midnight.
        Month = "month",
    }
);

text_enum!(
    /// What becomes of requests that a limit bears on while the count that nodes share cannot be reached. The tighter comes first.
    WhenAway {
        /// They are refused.
        Refuse = "refuse",
        /// Each node admits its part of the limit: `limit ÷ nodes`.
        LocalShare = "local_share",
    }
);

/// At most `limit` requests in `window_seconds`, of which `burst` (default `limit`) may come at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// What the limit is called in answers: 1–64 characters.
    pub name: String,
    /// Requests per window, 1 to a billion.
    pub limit: u64,
    /// Length of the window, 1 s to 31 days.
    pub window_seconds: u64,
    /// Requests that may come at once, 1 to `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// What becomes of requests while the count that nodes share cannot be reached; `None` is as the server is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_away: Option<WhenAway>,
}

impl RateLimit {
    /// Holds the limit to its bounds.
    ///
    /// # Errors
    /// Names the first field that breaks one.
    pub fn check(&self) -> Result<(), Invalid> {
        check_line(&self.name, 64).map_err(|invalid| invalid.at("name"))?;
        if RESERVED_NAMES.contains(&self.name.as_str()) {
            return Err(Invalid::new(
                "name",
                "must not be `rpm` or `tpm`: these name `rpm_limit` and `tpm_limit`",
            ));
        }
        check_count(self.limit).map_err(|invalid| invalid.at("limit"))?;
        if !(1..=MAX_WINDOW_SECONDS).contains(&self.window_seconds) {
            return Err(Invalid::new("window_seconds", format!("must be from 1 to {MAX_WINDOW_SECONDS}")));
        }
        match self.burst {
            Some(burst) if burst == 0 || burst > self.limit => {
                Err(Invalid::new("burst", "must be from 1 to `limit`"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it admits nothing that `other` would refuse, whatever they are called, and however the server is set.
    fn is_within(&self, other: &Self) -> bool {
        self.window_seconds == other.window_seconds
            && self.limit <= other.limit
            && self.burst.unwrap_or(self.limit) <= other.burst.unwrap_or(other.limit)
            && match (self.when_away, other.when_away) {
                (own, other) if own == other => true,
                (Some(WhenAway::Refuse), _) | (_, Some(WhenAway::LocalShare)) => true,
                (None | Some(WhenAway::LocalShare), None | Some(WhenAway::Refuse)) => false,
            }
    }
}

/// Holds a count to `1..=1_000_000_000`.
///
/// # Errors
/// Says the range.
pub fn check_count(count: u64) -> Result<(), Invalid> {
    if (1..=MAX_COUNT).contains(&count) {
        Ok(())
    } else {
        Err(Invalid::rule(format!("must be from 1 to {MAX_COUNT}")))
    }
}

fn check_rates(rates: &[RateLimit]) -> Result<(), Invalid> {
    if rates.len() > MAX_RATE_LIMITS {
        return Err(Invalid::new("rate_limits", format!("must have at most {MAX_RATE_LIMITS} entries")));
    }
    for (index, rate) in rates.iter().enumerate() {
        let in_list = |invalid: Invalid| invalid.at(&format!("[{index}]")).at("rate_limits");
        rate.check().map_err(in_list)?;
        if rates[..index].iter().any(|earlier| earlier.name == rate.name) {
            return Err(in_list(Invalid::new("name", "must differ from the names before it")));
        }
    }
    Ok(())
}

/// What bounds the requests of all keys of a customer, an application or a tenant together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Further windows, each with its own name.
    pub rates: Vec<RateLimit>,
}

impl RequestLimits {
    /// The limits, ready to be applied.
    pub fn request_rates(&self) -> Rates {
        Rates::new(self.rpm, &self.rates)
    }
}

/// What to write of [`RequestLimits`]; `None` leaves it as it is, `Some(None)` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestLimitsPatch {
    /// Requests per minute.
    pub rpm: Option<Option<u64>>,
    /// All further windows.
    pub rates: Option<Vec<RateLimit>>,
}

impl RequestLimitsPatch {
    /// Writes it into `limits`.
    ///
    /// # Errors
    /// Names the first field that breaks a rule, by its JSON name; nothing is written then.
    pub fn apply(self, limits: &mut RequestLimits) -> Result<(), Invalid> {
        if let Some(Some(rpm)) = self.rpm {
            check_count(rpm).map_err(|invalid| invalid.at("rpm_limit"))?;
        }
        check_rates(self.rates.as_deref().unwrap_or_default())?;
        write(&mut limits.rpm, self.rpm);
        write(&mut limits.rates, self.rates);
        Ok(())
    }
}

/// Everything that bounds a key's use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Further windows, each with its own name.
    pub rates: Vec<RateLimit>,
    /// Most that may be spent in one period.
    pub max_budget: Option<NanoUsd>,
    /// How long the budget lasts.
    pub budget_period: BudgetPeriod,
    /// Spent so far in the present period.
    pub spend: NanoUsd,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rpm: None,
            tpm: None,
            rates: Vec::new(),
            max_budget: None,
            budget_period: BudgetPeriod::Lifetime,
            spend: NanoUsd::ZERO,
        }
    }
}

impl Limits {
    /// Holds every limit to its bounds.
    ///
    /// # Errors
    /// Names the first field that breaks one, by its JSON name.
    pub fn check(&self) -> Result<(), Invalid> {
        for (field, count) in [("rpm_limit", self.rpm), ("tpm_limit", self.tpm)] {
            count.map_or(Ok(()), check_count).map_err(|invalid| invalid.at(field))?;
        }
        check_rates(&self.rates)
    }

    /// The limits on requests, ready to be applied.
    pub fn request_rates(&self) -> Rates {
        Rates::new(self.rpm, &self.rates)
    }

    /// The budget, if there is one.
    pub fn budget(&self) -> Option<Budget> {
        self.max_budget.map(|max| Budget { max, period: self.budget_period })
    }

    /// The first of these limits, by its JSON name, that `other` lacks or has wider.
    pub fn first_beyond(&self, other: &Self) -> Option<&'static str> {
        let exceeds = |own: Option<u64>, other: Option<u64>| {
            own.is_some_and(|own| other.is_none_or(|other| other > own))
        };
        let kept = |own: &RateLimit| other.rates.iter().any(|rate| rate.is_within(own));
        let dearer = self.max_budget.is_some_and(|own| {
            other.max_budget.is_none_or(|budget| budget > own) || other.budget_period != self.budget_period
        });
        [
            ("rpm_limit", exceeds(self.rpm, other.rpm)),
            ("tpm_limit", exceeds(self.tpm, other.tpm)),
            ("rate_limits", !self.rates.iter().all(kept)),
            ("max_budget_usd", dearer),
        ]
        .into_iter()
        .find_map(|(field, beyond)| beyond.then_some(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(name: &str, limit: u64, window_seconds: u64, burst: Option<u64>) -> RateLimit {
        RateLimit { name: name.into(), limit, window_seconds, burst, when_away: None }
    }

    fn refused_field(limits: &Limits) -> String {
        limits.check().unwrap_err().field.into_owned()
    }

    #[test]
    fn what_is_missing_or_wider_goes_beyond() {
        let own = Limits {
            rpm: Some(60),
            rates: vec![rate("hourly", 10, 3600, None)],
            max_budget: Some(NanoUsd::from_nanos(5)),
            ..Limits::default()
        };
        assert_eq!(own.first_beyond(&own), None);
        assert_eq!(Limits::default().first_beyond(&own), None);
        let tighter = Limits { rates: vec![rate("other name", 9, 3600, Some(1))], ..own.clone() };
        assert_eq!(own.first_beyond(&tighter), None);
        for (field, wider) in [
            ("rpm_limit", Limits { rpm: None, ..own.clone() }),
            ("rpm_limit", Limits { rpm: Some(61), ..own.clone() }),
            ("rate_limits", Limits { rates: vec![rate("hourly", 10, 60, None)], ..own.clone() }),
            ("max_budget_usd", Limits { max_budget: Some(NanoUsd::from_nanos(6)), ..own.clone() }),
            ("max_budget_usd", Limits { budget_period: BudgetPeriod::Day, ..own.clone() }),
        ] {
            assert_eq!(own.first_beyond(&wider), Some(field));
        }
    }

    #[test]
    fn a_limit_that_may_admit_more_while_the_shared_count_is_away_goes_beyond() {
        let (refuse, share) = (Some(WhenAway::Refuse), Some(WhenAway::LocalShare));
        let limited = |when_away| Limits {
            rates: vec![RateLimit { when_away, ..rate("hourly", 10, 3600, None) }],
            ..Limits::default()
        };
        for (own, within) in
            [(refuse, &[refuse][..]), (None, &[refuse, None]), (share, &[refuse, None, share])]
        {
            for other in [refuse, None, share] {
                let beyond = (!within.contains(&other)).then_some("rate_limits");
                assert_eq!(limited(own).first_beyond(&limited(other)), beyond, "{own:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_was_kept_before_there_were_policies_still_reads_and_is_written_as_it_was() {
        let text = r#"{"name":"hourly","limit":10,"window_seconds":3600,"burst":5}"#;
        let old: RateLimit = serde_json::from_str(text).unwrap();
        assert_eq!(old, rate("hourly", 10, 3600, Some(5)));
        assert_eq!(serde_json::to_string(&old).unwrap(), text);
        let declared = RateLimit { when_away: Some(WhenAway::LocalShare), ..old };
        let text = serde_json::to_string(&declared).unwrap();
        assert!(text.ends_with(r#""burst":5,"when_away":"local_share"}"#), "{text}");
        assert_eq!(serde_json::from_str::<RateLimit>(&text).unwrap(), declared);
        let refused = serde_json::from_str::<RateLimit>(&text.replace("local_share", "open")).unwrap_err();
        assert!(refused.to_string().contains("must be one of `refuse` `local_share`"), "{refused}");
    }

    #[test]
    fn each_limit_is_held_to_its_bounds_and_named() {
        let with_rates = |rates| Limits { rates, ..Limits::default() };
        assert!(with_rates(vec![rate("hourly", 10, 3600, Some(10))]).check().is_ok());
        assert_eq!(refused_field(&Limits { rpm: Some(0), ..Limits::default() }), "rpm_limit");
        assert_eq!(refused_field(&with_rates(vec![rate("", 1, 1, None)])), "rate_limits[0].name");
        assert_eq!(refused_field(&with_rates(vec![rate("rpm", 1, 1, None)])), "rate_limits[0].name");
        assert_eq!(refused_field(&with_rates(vec![rate("a", 1, 0, None)])), "rate_limits[0].window_seconds");
        assert_eq!(refused_field(&with_rates(vec![rate("a", 5, 1, Some(6))])), "rate_limits[0].burst");
        let twice = vec![rate("a", 1, 1, None), rate("a", 2, 2, None)];
        assert_eq!(refused_field(&with_rates(twice)), "rate_limits[1].name");
    }
}
