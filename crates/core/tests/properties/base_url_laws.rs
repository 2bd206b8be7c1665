//! What is true of any bytes as where a provider's API is. The fuzz target searches for bytes that break it; the test beside it
//! replays the seeds.

use keystile_core::BaseUrl;
use url::{Host, Url};

/// Panics when a law is broken for `bytes`. What is checked must be what is connected to, so the reader of the HTTP client finds
/// the same host and the same path, or nothing at all.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(ours) = text.parse::<BaseUrl>() else { return };
    assert_eq!(ours.as_str().parse(), Ok(ours.clone()), "what is kept is read again");
    let scheme = if ours.is_plain() { "http" } else { "https" };
    assert_eq!(ours.as_str(), format!("{scheme}://{}{}", ours.authority(), ours.path()));
    let Ok(theirs) = Url::parse(&format!("{}/chat/completions", ours.as_str())) else { return };
    assert_eq!((theirs.scheme(), theirs.path()), (scheme, format!("{}/chat/completions", ours.path()).as_str()));
    assert!(theirs.username().is_empty() && theirs.password().is_none());
    assert!(theirs.query().is_none() && theirs.fragment().is_none());
    match theirs.host().unwrap() {
        Host::Ipv4(ip) => assert_eq!(ours.literal(), Some(ip.into())),
        Host::Ipv6(ip) => assert_eq!(ours.literal(), Some(ip.into())),
        Host::Domain(name) => assert_eq!((ours.literal(), ours.host()), (None, name)),
    }
}
