//! Limits on requests as flags, the same for tenants, applications and customers, and as lines of what is shown.

use clap::{Args, value_parser};
use keystile_core::RateLimit;
use keystile_core::limit::MAX_COUNT;
use keystile_wire::{Object, Patch};

use super::rate::{RATE_FORM, rate_limit};

/// Limits that all keys of somebody share.
#[derive(Debug, Clone, Args)]
pub(super) struct LimitFlags {
    /// Most requests a minute of all its keys together.
    #[arg(long, alias = "rpm-limit", value_name = "COUNT", value_parser = value_parser!(u64).range(1..=MAX_COUNT))]
    rpm: Option<u64>,
    /// Most requests of all its keys together in another window, such as `1000/1h` or
    /// `5000/1d:daily,burst=50,when_away=refuse`; in place of those there are. May be repeated.
    #[arg(long = "rate-limit", value_name = RATE_FORM, value_parser = rate_limit)]
    rate_limits: Vec<RateLimit>,
}

/// How limits are taken away again.
#[derive(Debug, Clone, Args)]
pub(super) struct ClearFlags {
    /// Take the limit on requests a minute away.
    #[arg(long, conflicts_with = "rpm")]
    clear_rpm: bool,
    /// Take all other rate limits away.
    #[arg(long, conflicts_with = "rate_limits")]
    clear_rate_limits: bool,
}

/// The two fields of a request.
pub(super) type Limits<Rpm, Rates> = (Rpm, Rates);

impl LimitFlags {
    /// The fields of a request that makes something.
    pub(super) fn given(self) -> Limits<Option<u64>, Option<Vec<Object<RateLimit>>>> {
        let rates: Vec<_> = self.rate_limits.into_iter().map(Object).collect();
        (self.rpm, if rates.is_empty() { None } else { Some(rates) })
    }

    /// The fields of a request that changes something.
    pub(super) fn or(self, clear: &ClearFlags) -> Limits<Patch<u64>, Patch<Vec<Object<RateLimit>>>> {
        let (rpm, rates) = self.given();
        (
            if clear.clear_rpm { Patch::Clear } else { rpm.into() },
            if clear.clear_rate_limits { Patch::Clear } else { rates.into() },
        )
    }
}

/// A line for each limit.
pub(super) fn limit_lines(rpm: Option<u64>, rates: &[RateLimit]) -> Vec<(&'static str, String)> {
    let per_minute = rpm.map(|count| ("requests", format!("{count} a minute")));
    let further = rates.iter().map(|rate| {
        let burst = rate.burst.map_or_else(String::new, |burst| format!(", {burst} at once"));
        let away = rate.when_away.map_or_else(String::new, |policy| format!(", when away: {policy}"));
        ("limit", format!("{}: {} in {} s{burst}{away}", rate.name, rate.limit, rate.window_seconds))
    });
    per_minute.into_iter().chain(further).collect()
}
