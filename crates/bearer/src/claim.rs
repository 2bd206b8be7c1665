//! Headers that tell a service whose request it is.

use http::HeaderName;

/// Part of the name of every header that says who somebody is.
const OURS: &str = "keystile";

/// Whether a header of this name tells, or may pass for one that tells, whose request it is: some servers take `_` for `-`.
/// Of a client, none is believed.
pub fn is_claim(name: &HeaderName) -> bool {
    name.as_str().contains(OURS)
}
