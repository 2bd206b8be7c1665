//! Where messages of a webhook go.

use std::net::IpAddr;

use crate::Invalid;
use crate::host::{is_host, is_port, split};
use crate::text::checked_text;

/// Longest URL, in bytes: what every receiver and proxy takes.
const MAX_BYTES: usize = 2_000;

const RULE: &str = "must be a URL such as `https://example.com/hooks/keystile`, of at most 2000 visible ASCII characters, without \
    a name or password before its host and without `#`";

checked_text!(
    /// An absolute URL, `https` or `http`, with a host and perhaps a port, a path and a query. Its host is a name, or an address
    /// in its usual form: whatever else programs take for an address is refused, so that nothing is checked as one thing and
    /// connected to as another.
    WebhookUrl,
    check
);

impl WebhookUrl {
    /// Whether what is sent there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.as_str().starts_with("https://")
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        split(self.as_str()).map_or("", |(_, host, _)| host)
    }

    /// The address, if the host is one.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }
}

fn check(text: &str) -> Result<String, Invalid> {
    let kept = text.trim();
    let is_plain = kept.len() <= MAX_BYTES && kept.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_good = is_plain && split(kept).is_some_and(|(_, host, port)| is_host(host) && is_port(port));
    if is_good && !kept.contains('#') { Ok(kept.to_owned()) } else { Err(Invalid::rule(RULE)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_kept_as_it_is_and_tells_its_host() {
        for (text, host) in [
            ("https://example.com", "example.com"),
            (" https://hooks.example.com:8443/a/b?c=d ", "hooks.example.com"),
            ("http://127.0.0.1:9/", "127.0.0.1"),
            ("https://[2001:db8::1]/x", "2001:db8::1"),
            ("https://[::1]:8443", "::1"),
            ("https://a-b_c.example.?q", "a-b_c.example."),
            ("https://10.example.com", "10.example.com"),
        ] {
            let url: WebhookUrl = text.parse().unwrap();
            assert_eq!((url.as_str(), url.host()), (text.trim(), host));
            assert_eq!(url.literal().is_some(), !host.contains("example"), "{text}");
            assert_eq!(url.is_encrypted(), !text.starts_with("http:"));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "HTTPS://example.com",
            "https:///path",
            "https://user@example.com",
            "https://user:pw@example.com/",
            "https://example.com@127.0.0.1/",
            "https://example.com#part",
            "https://example.com\\@127.0.0.1",
            "https://exa mple.com",
            "https://exämple.com",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1",
            "https://127.0.0.1.",
            "https://0177.0.0.1",
            "https://256.1.1.1",
            "https://[::1",
            "https://[::1]8443",
            "https://[fe80::1%25eth0]/",
            "https://example.com:0",
            "https://example.com:65536",
            "https://example.com:+80",
            "https://example.com:80:80",
            "https://%31%32%37.0.0.1/",
            "https://a..b",
            &format!("https://example.com/{}", "a".repeat(MAX_BYTES)),
        ] {
            assert!(bad.parse::<WebhookUrl>().is_err(), "{bad}");
        }
    }
}
