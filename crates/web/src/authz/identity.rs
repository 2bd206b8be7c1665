//! Who may pass, in headers for the API behind the gateway.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_bearer::{LeftItem, Limit, PolicyItem, RATE_LIMIT, RATE_LIMIT_POLICY, X_REQUEST_ID};
use keystile_core::{Append, Grant, Owner, append_list};
use keystile_verify::{CachedKey, LimitLeft, Verdict};
use smallvec::SmallVec;

const KEY_ID: HeaderName = HeaderName::from_static("x-keystile-key-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-keystile-tenant-id");
const APPLICATION_ID: HeaderName = HeaderName::from_static("x-keystile-application-id");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("x-keystile-customer-id");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-keystile-environment");
const SOURCE_ID: HeaderName = HeaderName::from_static("x-keystile-source-id");
const TRUST_LEVEL: HeaderName = HeaderName::from_static("x-keystile-trust-level");
const SCOPES: HeaderName = HeaderName::from_static("x-keystile-scopes");

const EMPTY: HeaderValue = HeaderValue::from_static("");
/// Room for what is a key's own and some limits, so that their text is not grown while it is written.
const USUAL_LENGTH: usize = 256;

/// Every header is there on every yes, so that one the client forged is always overwritten; of a verdict without a key there are
/// none.
pub(super) fn identity(verdict: &Verdict) -> HeaderMap {
    let Some(key) = verdict.key.as_deref() else { return HeaderMap::new() };
    let mut headers = key.in_common(common).cloned().unwrap_or_else(|| common(key));
    let mut values = Values::new();
    values.add(KEY_ID, |text| key.id().append_to(text));
    if let Some(customer_id) = key.customer_id() {
        values.add(CUSTOMER_ID, |text| customer_id.append_to(text));
    }
    if let Some(source_id) = key.source_id() {
        values.add(SOURCE_ID, |text| text.push_str(source_id));
    }
    let (mut limits, own) = (verdict.limits(), key.rates().as_slice());
    if limits.any(|left| left.owner != Owner::Key) {
        let policies = verdict.limits().map(|left| PolicyItem(Limit::new(left.owner, left.rate)));
        values.add(RATE_LIMIT_POLICY, |text| append_list(text, ", ", policies));
        values.add(RATE_LIMIT, |text| append_list(text, ", ", verdict.limits().map(left_item)));
    } else if !own.is_empty() {
        values.add(RATE_LIMIT, |text| append_list(text, ", ", verdict.limits().map(left_item)));
    }
    values.insert_into(&mut headers);
    headers
}

/// What keys have in common, and room for all the rest: the map is copied for each answer.
fn common(key: &CachedKey) -> HeaderMap {
    let mut values = Values::new();
    values.add(TENANT_ID, |text| key.tenant_id().append_to(text));
    values.add(APPLICATION_ID, |text| key.application_id().append_to(text));
    values.add(SCOPES, |text| append_list(text, " ", key.scopes().iter().map(Grant::as_str)));
    let mut headers = HeaderMap::new();
    for name in [KEY_ID, CUSTOMER_ID, SOURCE_ID, X_REQUEST_ID] {
        headers.insert(name, EMPTY);
    }
    headers.insert(ENVIRONMENT, HeaderValue::from_static(key.environment().as_str()));
    headers.insert(TRUST_LEVEL, HeaderValue::from_static(key.trust_level().as_str()));
    let own = key.rates().as_slice();
    if !own.is_empty() {
        let policies = own.iter().map(|rate| PolicyItem(Limit::new(Owner::Key, rate)));
        values.add(RATE_LIMIT_POLICY, |text| append_list(text, ", ", policies));
        headers.insert(RATE_LIMIT, EMPTY);
    }
    values.insert_into(&mut headers);
    headers
}

fn left_item(left: LimitLeft<'_>) -> LeftItem<'_> {
    let LimitLeft { owner, rate, count } = left;
    let seconds = Some(count.reset_millis.div_ceil(1_000));
    LeftItem { limit: Limit::new(owner, rate), remaining: count.remaining, seconds }
}

/// Header values that are parts of one text: one allocation instead of two for each value.
struct Values {
    text: String,
    /// Where the value of each header ends in the text.
    ends: SmallVec<[(HeaderName, usize); 8]>,
}

impl Values {
    fn new() -> Self {
        Self { text: String::with_capacity(USUAL_LENGTH), ends: SmallVec::new() }
    }

    fn add(&mut self, name: HeaderName, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push((name, self.text.len()));
    }

    /// What cannot stand in a header is left out.
    fn insert_into(self, headers: &mut HeaderMap) {
        let (text, mut start) = (Bytes::from(self.text), 0);
        for (name, end) in self.ends {
            let value = HeaderValue::from_maybe_shared(text.slice(start..end));
            headers.insert(name, value.unwrap_or(EMPTY));
            start = end;
        }
    }
}
