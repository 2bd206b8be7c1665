//! What a request that passes tells of limits.

use http::{HeaderMap, HeaderValue};
use keystile_bearer::{LeftItem, Limit, PolicyItem, RATE_LIMIT, RATE_LIMIT_POLICY};
use keystile_core::{Append, append_list};

use crate::KeyFacts;

/// The two fields about limits, ready to be written; none if there are no limits.
pub(crate) struct LimitFields(Option<(HeaderValue, HeaderValue)>);

impl LimitFields {
    pub(crate) fn of(key: &KeyFacts) -> Self {
        if key.limits.is_empty() {
            return Self(None);
        }
        let policies = key.limits.iter().map(|state| PolicyItem(Limit::of(state)));
        let left = key.limits.iter().map(|state| {
            let (limit, seconds) = (Limit::of(state), state.reset_seconds);
            LeftItem { limit, remaining: state.remaining, seconds }
        });
        Self(list(policies).zip(list(left)))
    }

    /// Writes them, unless the service has said something of limits itself.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let Self(Some((policy, left))) = self else { return };
        if !headers.contains_key(RATE_LIMIT) && !headers.contains_key(RATE_LIMIT_POLICY) {
            headers.insert(RATE_LIMIT_POLICY, policy);
            headers.insert(RATE_LIMIT, left);
        }
    }
}

fn list(items: impl Iterator<Item = impl Append>) -> Option<HeaderValue> {
    let mut text = String::new();
    append_list(&mut text, ", ", items);
    HeaderValue::try_from(text).ok()
}
