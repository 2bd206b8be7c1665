//! Limits on requests, as customers, applications and tenants have them.

use keystile_core::{RateLimit, RequestLimitsPatch};

use crate::{Object, Patch};

/// What a request says of the fields `rpm_limit` and `rate_limits`.
pub(crate) fn limits_patch(rpm: Patch<u64>, rates: Patch<Vec<Object<RateLimit>>>) -> RequestLimitsPatch {
    let plain = |list: Vec<Object<RateLimit>>| list.into_iter().map(|Object(rate)| rate).collect();
    RequestLimitsPatch { rpm: rpm.clearable(), rates: rates.or_default(Vec::new).map(plain) }
}
