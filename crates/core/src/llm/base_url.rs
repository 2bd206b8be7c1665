//! Where a provider's API is.

use std::net::IpAddr;

use crate::Invalid;
use crate::host::{is_host, is_port, split};
use crate::text::checked_text;

/// Longest URL, in bytes: far more than any provider has.
const MAX_BYTES: usize = 500;

const RULE: &str = "must be a URL such as `https://api.openai.com/v1`, of at most 500 characters, with a host and perhaps a port and a \
    plain path, without a name or password, `?`, `#` or `%`";

checked_text!(
    /// The beginning that the URLs of a provider's API have in common, such as `https://api.openai.com/v1`: `https` or `http`, a host,
    /// perhaps a port and a path, and nothing else. It ends without a slash, and its host is in lower case. That is a name, or an
    /// address in its usual form, as in [`crate::WebhookUrl`].
    BaseUrl,
    check
);

impl BaseUrl {
    /// Whether what is sent there is not encrypted.
    pub fn is_plain(&self) -> bool {
        self.as_str().starts_with("http://")
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        split(self.as_str()).map_or("", |(_, host, _)| host)
    }

    /// Host and port as they stand in the URL, with the brackets of an address: what a `Host` header says.
    pub fn authority(&self) -> &str {
        self.parts().0
    }

    /// The path: empty, or a slash and what follows.
    pub fn path(&self) -> &str {
        self.parts().1
    }

    /// The address, if the host is one.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.as_str().split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or((rest, ""), |at| rest.split_at(at))
    }
}

fn check(text: &str) -> Result<String, Invalid> {
    let kept = text.trim();
    let read = if kept.len() <= MAX_BYTES { canonical(kept.trim_end_matches('/')) } else { None };
    read.ok_or_else(|| Invalid::rule(RULE))
}

fn canonical(text: &str) -> Option<String> {
    if text.contains(['?', '#']) {
        return None;
    }
    let (scheme, host, port) = split(text)?;
    let (_, rest) = text.split_once("://")?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let is_good = is_host(host) && is_port(port) && path.split('/').skip(1).all(is_segment);
    is_good.then(|| format!("{scheme}://{}{path}", authority.to_ascii_lowercase()))
}

/// Nothing that a client or a server could take for another segment.
fn is_segment(segment: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&b);
    !["", ".", ".."].contains(&segment) && segment.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_tells_its_parts() {
        for (text, kept, host, authority, path) in [
            ("https://a.com/v1", "https://a.com/v1", "a.com", "a.com", "/v1"),
            (" https://B.Com:8443/a/b/ ", "https://b.com:8443/a/b", "b.com", "b.com:8443", "/a/b"),
            ("http://127.0.0.1:9//", "http://127.0.0.1:9", "127.0.0.1", "127.0.0.1:9", ""),
            ("https://[FD00::1]:8/v1", "https://[fd00::1]:8/v1", "fd00::1", "[fd00::1]:8", "/v1"),
        ] {
            let url: BaseUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.host()), (kept, host));
            assert_eq!((url.authority(), url.path()), (authority, path));
            assert_eq!(url.is_plain(), text.starts_with("http:"), "{text}");
            assert_eq!(url.literal().is_some(), !host.ends_with(".com"), "{text}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_base_url() {
        for bad in [
            "",
            "https://",
            "api.openai.com/v1",
            "ftp://example.com",
            "HTTPS://example.com",
            "https://user@example.com",
            "https://user:pass@example.com/v1",
            "https://example.com?x=1",
            "https://example.com/v1#x",
            "https://example.com/v1/../v2",
            "https://example.com/./v1",
            "https://example.com//v1",
            "https://example.com/a b",
            "https://example.com/%2e%2e",
            "https://example.com\\@127.0.0.1",
            "https://127.1/",
            "https://0x7f000001",
            "https://example.com:0",
            "https://exämple.com",
            &format!("https://example.com/{}", "a".repeat(500)),
        ] {
            assert!(bad.parse::<BaseUrl>().is_err(), "{bad}");
        }
    }
}
