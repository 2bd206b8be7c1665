//! The `RateLimit` and `RateLimit-Policy` fields of the IETF draft, as structured fields (RFC 9651).

use std::fmt::{self, Display, Write as _};

use http::{HeaderName, HeaderValue};
use keystile_core::rate::Exceeded;
use keystile_core::{Owner, Rate};
use keystile_verify::LimitLeft;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `"rpm";q=100;w=60`: so many requests in so many seconds.
pub(crate) struct PolicyItem<'a>(pub(crate) Owner, pub(crate) &'a Rate);

/// `"rpm";r=50;t=30`: so many are left, and in so many seconds it is full again.
pub(crate) struct LeftItem<'a>(pub(crate) LimitLeft<'a>);

/// A limit's name as a structured string; of other owners than the key with whose it is. What cannot stand in such a
/// string is replaced.
struct PolicyName<'a>(Owner, &'a Rate);

impl Display for PolicyItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(owner, rate) = self;
        write!(f, "{};q={};w={}", PolicyName(*owner, rate), rate.limit(), rate.window_seconds())
    }
}

impl Display for LeftItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitLeft { owner, rate, count } = self.0;
        let reset = count.reset_millis.div_ceil(1_000);
        write!(f, "{};r={};t={reset}", PolicyName(owner, rate), count.remaining)
    }
}

impl Display for PolicyName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(owner, rate) = self;
        f.write_char('"')?;
        if *owner != Owner::Key {
            write!(f, "{owner}:")?;
        }
        for letter in rate.name().chars() {
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
pub(crate) fn refusal_fields(exceeded: &Exceeded) -> Option<(HeaderValue, HeaderValue)> {
    let rate = exceeded.rate()?;
    let name = PolicyName(exceeded.owner, rate);
    let again = exceeded.retry_after_seconds().map_or_else(String::new, |seconds| format!(";t={seconds}"));
    let left = format!("{name};r={}{again}", exceeded.remaining);
    let policy = PolicyItem(exceeded.owner, rate).to_string();
    Some((policy.parse().ok()?, left.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use keystile_core::rate::Count;
    use keystile_core::{RateLimit, Rates};

    use super::*;

    #[test]
    fn fields_are_structured_whatever_a_limit_is_called() {
        let further =
            RateLimit { name: "per \"day\" \\ ü".into(), limit: 9, window_seconds: 86_400, burst: None };
        let rates = Rates::new(Some(60), &[further]);
        let [per_minute, daily] = rates.as_slice() else { panic!("two limits") };
        let count = Count { remaining: 3, reset_millis: 1_001 };
        assert_eq!(PolicyItem(Owner::Key, per_minute).to_string(), r#""rpm";q=60;w=60"#);
        let left = LimitLeft { owner: Owner::Tenant, rate: daily, count };
        assert_eq!(LeftItem(left).to_string(), r#""tenant:per \"day\" \\ ?";r=3;t=2"#);
    }
}
