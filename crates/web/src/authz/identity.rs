//! Who may pass, in headers for the API behind the gateway.

use std::fmt::{self, Display, Write as _};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_bearer::{LeftItem, Limit, PolicyItem, RATE_LIMIT, RATE_LIMIT_POLICY};
use keystile_core::Grant;
use keystile_verify::{CachedKey, LimitLeft, Verdict};

const KEY_ID: HeaderName = HeaderName::from_static("x-keystile-key-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-keystile-tenant-id");
const APPLICATION_ID: HeaderName = HeaderName::from_static("x-keystile-application-id");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("x-keystile-customer-id");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-keystile-environment");
const SOURCE_ID: HeaderName = HeaderName::from_static("x-keystile-source-id");
const TRUST_LEVEL: HeaderName = HeaderName::from_static("x-keystile-trust-level");
const SCOPES: HeaderName = HeaderName::from_static("x-keystile-scopes");

const EMPTY: HeaderValue = HeaderValue::from_static("");
/// Room for three ids, a source and some scopes, so that their buffer is not grown while they are written.
const USUAL_VALUES: usize = 256;

/// Every header is there on every yes, so that one the client forged is always overwritten.
pub(super) fn identity(key: &CachedKey, verdict: &Verdict) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(ENVIRONMENT, HeaderValue::from_static(key.environment().as_str()));
    headers.insert(TRUST_LEVEL, HeaderValue::from_static(key.trust_level().as_str()));
    let mut values = Values(BytesMut::with_capacity(USUAL_VALUES));
    headers.insert(KEY_ID, values.take(key.id()));
    headers.insert(TENANT_ID, values.take(key.tenant_id()));
    headers.insert(APPLICATION_ID, values.take(key.application_id()));
    headers.insert(CUSTOMER_ID, key.customer_id().map_or(EMPTY, |id| values.take(id)));
    headers.insert(SOURCE_ID, key.source_id().map_or(EMPTY, |id| values.take(id)));
    headers.insert(SCOPES, values.take_list(" ", key.scopes().iter().map(Grant::as_str)));
    if verdict.limits().next().is_some() {
        let policies = verdict.limits().map(|left| PolicyItem(Limit::new(left.owner, left.rate)));
        headers.insert(RATE_LIMIT_POLICY, values.take_list(", ", policies));
        headers.insert(RATE_LIMIT, values.take_list(", ", verdict.limits().map(left_item)));
    }
    headers
}

fn left_item(left: LimitLeft<'_>) -> LeftItem<'_> {
    let LimitLeft { owner, rate, count } = left;
    let seconds = Some(count.reset_millis.div_ceil(1_000));
    LeftItem { limit: Limit::new(owner, rate), remaining: count.remaining, seconds }
}

/// Makes header values that are parts of one buffer: one allocation instead of two for each value.
struct Values(BytesMut);

impl Values {
    fn take(&mut self, value: impl Display) -> HeaderValue {
        self.take_list("", std::iter::once(value))
    }

    /// The items with `between` between them. What cannot stand in a header is left out.
    fn take_list(&mut self, between: &str, items: impl Iterator<Item = impl Display>) -> HeaderValue {
        let mut before = "";
        let written = items.into_iter().try_for_each(|item| {
            write!(self.0, "{before}{item}")?;
            before = between;
            Ok(())
        });
        let value = HeaderValue::from_maybe_shared(self.0.split().freeze());
        written.and(value.map_err(|_| fmt::Error)).unwrap_or(EMPTY)
    }
}
