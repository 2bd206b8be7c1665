//! What is true of any bytes as the URL of a webhook. The fuzz target searches for bytes that break it; the test beside it
//! replays the seeds.

use keystile_core::WebhookUrl;
use url::{Host, Url};

/// Panics when a law is broken for `bytes`. What is checked must be what is connected to, so the reader of the HTTP client finds
/// the same host, or none at all.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(ours) = text.parse::<WebhookUrl>() else { return };
    assert_eq!(ours.as_str().parse(), Ok(ours.clone()), "what is kept is read again");
    let Ok(theirs) = Url::parse(ours.as_str()) else { return };
    assert_eq!(theirs.scheme() == "https", ours.is_encrypted());
    assert!(theirs.username().is_empty() && theirs.password().is_none() && theirs.fragment().is_none());
    match theirs.host().unwrap() {
        Host::Ipv4(ip) => assert_eq!(ours.literal(), Some(ip.into())),
        Host::Ipv6(ip) => assert_eq!(ours.literal(), Some(ip.into())),
        Host::Domain(name) => {
            assert_eq!((ours.literal(), ours.host().to_ascii_lowercase().as_str()), (None, name));
        }
    }
}
