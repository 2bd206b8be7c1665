//! The `RateLimit` and `RateLimit-Policy` fields of the IETF draft, as structured fields (RFC 9651).

use http::{HeaderName, HeaderValue};
use keystile_core::{Append, Owner, Rate};
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

impl Append for PolicyItem<'_> {
    fn append_to(&self, text: &mut String) {
        let Self(limit) = self;
        limit.append_name(text);
        text.push_str(";q=");
        limit.limit.append_to(text);
        text.push_str(";w=");
        limit.window_seconds.append_to(text);
    }
}

impl Append for LeftItem<'_> {
    fn append_to(&self, text: &mut String) {
        self.limit.append_name(text);
        text.push_str(";r=");
        self.remaining.append_to(text);
        if let Some(seconds) = self.seconds {
            text.push_str(";t=");
            seconds.append_to(text);
        }
    }
}

impl Limit<'_> {
    /// Its name as a structured string; of other owners than the key with whose it is. What cannot stand in such a
    /// string is replaced.
    fn append_name(&self, text: &mut String) {
        text.push('"');
        if self.owner != Owner::Key {
            text.push_str(self.owner.as_str());
            text.push(':');
        }
        if self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            text.push_str(self.name);
        } else {
            append_escaped(text, self.name);
        }
        text.push('"');
    }
}

fn append_escaped(text: &mut String, name: &str) {
    for letter in name.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            ' '..='~' => text.push(letter),
            _ => text.push('?'),
        }
    }
}

/// Both fields for the limit that refused a request: policy first.
pub(crate) fn refusal_fields(refusing: &LimitState) -> Option<(HeaderValue, HeaderValue)> {
    let limit = Limit::of(refusing);
    let left = LeftItem { limit, remaining: refusing.remaining, seconds: refusing.retry_after_seconds };
    Some((PolicyItem(limit).to_text().parse().ok()?, left.to_text().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use keystile_core::{RateLimit, Rates};

    use super::*;

    #[test]
    fn fields_are_structured_whatever_a_limit_is_called() {
        let further = RateLimit {
            name: "per \"day\" \\ ü".into(),
            limit: 9,
            window_seconds: 86_400,
            burst: None,
            when_away: None,
        };
        let rates = Rates::new(Some(60), &[further]);
        let [per_minute, daily] = rates.as_slice() else { panic!("two limits") };
        assert_eq!(PolicyItem(Limit::new(Owner::Key, per_minute)).to_text(), r#""rpm";q=60;w=60"#);
        let limit = Limit::new(Owner::Tenant, daily);
        let left = LeftItem { limit, remaining: 3, seconds: Some(2) };
        assert_eq!(left.to_text(), r#""tenant:per \"day\" \\ ?";r=3;t=2"#);
    }
}
