//! The `RateLimit` and `RateLimit-Policy` fields of the IETF draft, as structured fields (RFC 9651).

use std::fmt::{self, Display, Write as _};

use http::{HeaderName, HeaderValue};
use keystile_core::{Owner, Rate};
use keystile_wire::LimitState;

/// Where it says what is left of limits.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Where it says what limits there are.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// One limit on requests.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    owner: Owner,
    name: &'a str,
    limit: u64,
    window_seconds: u64,
}

impl<'a> Limit<'a> {
    /// A limit of `owner`.
    pub fn new(owner: Owner, rate: &'a Rate) -> Self {
        Self { owner, name: rate.name(), limit: rate.limit(), window_seconds: rate.window_seconds() }
    }

    /// The limit of which an answer tells.
    pub fn of(state: &'a LimitState) -> Self {
        let LimitState { owner, name, limit, window_seconds, .. } = state;
        Self { owner: *owner, name, limit: *limit, window_seconds: *window_seconds }
    }
}

/// `"rpm";q=100;w=60`: so many requests in so many seconds.
#[derive(Debug, Clone, Copy)]
pub struct PolicyItem<'a>(
    /// Of which limit.
    pub Limit<'a>,
);

/// `"rpm";r=50;t=30`: so many are left, and in so many seconds there are more.
#[derive(Debug, Clone, Copy)]
pub struct LeftItem<'a> {
    /// Of which limit.
    pub limit: Limit<'a>,
    /// Requests that would be admitted now.
    pub remaining: u64,
    /// Seconds until it is full again, or, of a limit that refused, until the request fits; `None` if it never does.
    pub seconds: Option<u64>,
}

/// A limit's name as a structured string; of other owners than the key with whose it is. What cannot stand in such a
/// string is replaced.
struct PolicyName<'a>(Limit<'a>);

impl Display for PolicyItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(limit) = self;
        write!(f, "{};q={};w={}", PolicyName(*limit), limit.limit, limit.window_seconds)
    }
}

impl Display for LeftItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};r={}", PolicyName(self.limit), self.remaining)?;
        self.seconds.map_or(Ok(()), |seconds| write!(f, ";t={seconds}"))
    }
}

impl Display for PolicyName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(limit) = self;
        f.write_char('"')?;
        if limit.owner != Owner::Key {
            write!(f, "{}:", limit.owner)?;
        }
        for letter in limit.name.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                ' '..='~' => f.write_char(letter)?,
                _ => f.write_char('?')?,
            }
        }
        f.write_char('"')
    }
}

/// Both fields for the limit that refused a request: policy first.
pub(crate) fn refusal_fields(refusing: &LimitState) -> Option<(HeaderValue, HeaderValue)> {
    let limit = Limit::of(refusing);
    let left = LeftItem { limit, remaining: refusing.remaining, seconds: refusing.retry_after_seconds };
    Some((PolicyItem(limit).to_string().parse().ok()?, left.to_string().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use keystile_core::{RateLimit, Rates};

    use super::*;

    #[test]
    fn fields_are_structured_whatever_a_limit_is_called() {
        let further =
            RateLimit { name: "per \"day\" \\ ü".into(), limit: 9, window_seconds: 86_400, burst: None };
        let rates = Rates::new(Some(60), &[further]);
        let [per_minute, daily] = rates.as_slice() else { panic!("two limits") };
        assert_eq!(PolicyItem(Limit::new(Owner::Key, per_minute)).to_string(), r#""rpm";q=60;w=60"#);
        let limit = Limit::new(Owner::Tenant, daily);
        let left = LeftItem { limit, remaining: 3, seconds: Some(2) };
        assert_eq!(left.to_string(), r#""tenant:per \"day\" \\ ?";r=3;t=2"#);
    }
}
