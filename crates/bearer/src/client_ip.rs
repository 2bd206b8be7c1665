//! The client's address, as far as trusted proxies tell.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The client's address, or that it is unknown. No list of addresses allows an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(
    /// The address; `None` if a proxy does not tell it readably.
    pub Option<IpAddr>,
);

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// The address of whoever sent the request. A peer that is no trusted proxy is the client itself, whatever
/// its headers say. Behind trusted proxies it is the last address in `X-Forwarded-For` that is not one of
/// them, or the first when all are. Only without that header `X-Real-IP` tells: a proxy that writes the one may pass
/// the other on as the client sent it; for the same reason `Forwarded` (RFC 7239), which hardly any proxy writes, is not
/// read. A peer that sends neither is the client. Where a proxy tells of somebody, but not readably whom, the client is
/// unknown: it must not pass for the proxy.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientIp {
    let peer = peer.to_canonical();
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    ClientIp(if !is_trusted(&peer) {
        Some(peer)
    } else if headers.contains_key(X_FORWARDED_FOR) {
        forwarded(headers, is_trusted)
    } else if headers.contains_key(X_REAL_IP) {
        real_ip(headers)
    } else {
        Some(peer)
    })
}

/// The address of whoever sent a request that the gateway at `peer` asks about and had from `source`. A gateway that is no
/// trusted proxy stands for the client itself, whomever it names; a source that is one tells who was before it.
pub fn asked_client_ip(
    peer: IpAddr,
    source: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> ClientIp {
    let peer = peer.to_canonical();
    if trusted.iter().any(|network| network.contains(&peer)) {
        source.map_or(ClientIp(None), |source| client_ip(source, headers, trusted))
    } else {
        ClientIp(Some(peer))
    }
}

/// The proxies that are believed where nothing else is said: those on this machine.
pub fn loopback_proxies() -> Vec<IpNet> {
    let loopback = IpAddr::from(Ipv6Addr::LOCALHOST);
    vec![Ipv4Net::new_assert([127, 0, 0, 0].into(), 8).into(), IpNet::from(loopback)]
}

/// Reads from the right, where the nearest proxy wrote; an entry that is no address ends what can be believed.
fn forwarded(headers: &HeaderMap, is_trusted: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut outermost = None;
    for entry in entries {
        let address = parse(entry)?;
        outermost = Some(address);
        if !is_trusted(&address) {
            break;
        }
    }
    outermost
}

/// The one address; of two lines, nobody can tell which the proxy wrote.
fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    let mut lines = headers.get_all(X_REAL_IP).iter().map(HeaderValue::to_str);
    match (lines.next(), lines.next()) {
        (Some(Ok(line)), None) => parse(line),
        _ => None,
    }
}

/// An address as proxies write it: bare, in brackets, or with a port. `unknown` and obfuscated identifiers (RFC 7239,
/// section 6) are none.
fn parse(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUSTED: [&str; 2] = ["127.0.0.0/8", "10.0.0.0/8"];

    fn seen(peer: &str, lines: &[(HeaderName, &str)]) -> String {
        let line = |(name, value): &(HeaderName, &str)| (name.clone(), value.parse().unwrap());
        let headers: HeaderMap = lines.iter().map(line).collect();
        let trusted = TRUSTED.map(|network| network.parse().unwrap());
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    fn forwarded_seen(peer: &str, lines: &[&str]) -> String {
        seen(peer, &lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect::<Vec<_>>())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, lines, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("192.0.2.1", &["nonsense"], "192.0.2.1"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["1.2.3.4, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            ("::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["203.0.113.9, ::ffff:10.0.0.7"], "203.0.113.9"),
            ("127.0.0.1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["10.0.0.3, 10.0.0.4"], "10.0.0.3"),
            ("127.0.0.1", &[], "127.0.0.1"),
        ] {
            assert_eq!(forwarded_seen(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn an_address_may_have_brackets_and_a_port() {
        for (entry, expected) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
            ("[::ffff:203.0.113.9]:4711", "203.0.113.9"),
            ("  203.0.113.9\t", "203.0.113.9"),
            ("203.0.113.9, 10.0.0.4:80", "203.0.113.9"),
        ] {
            assert_eq!(forwarded_seen("127.0.0.1", &[entry]), expected, "{entry}");
        }
    }

    #[test]
    fn a_gateway_is_believed_about_its_source_only_if_it_is_trusted() {
        let trusted = TRUSTED.map(|network| network.parse().unwrap());
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"))]);
        for (peer, source, expected) in [
            ("127.0.0.1", Some("203.0.113.9"), "203.0.113.9"),
            ("::ffff:127.0.0.1", Some("::ffff:203.0.113.9"), "203.0.113.9"),
            ("127.0.0.1", Some("10.0.0.4"), "192.0.2.1"),
            ("127.0.0.1", None, "unknown"),
            ("198.51.100.1", Some("203.0.113.9"), "198.51.100.1"),
            ("198.51.100.1", None, "198.51.100.1"),
        ] {
            let source = source.map(|source| source.parse().unwrap());
            let seen = asked_client_ip(peer.parse().unwrap(), source, &headers, &trusted);
            assert_eq!(seen.to_string(), expected, "{peer} {source:?}");
        }
    }

    #[test]
    fn whoever_cannot_be_read_is_unknown_and_never_the_proxy() {
        for entry in [
            "",
            ",",
            "unknown",
            "_hidden",
            "nonsense",
            "203.0.113.9:",
            "203.0.113.9:x",
            "203.0.113.9:99999",
            "[",
            "[]",
            "[203.0.113.9",
            "2001:db8::9]",
            "203.0.113.9/32",
            "203.0.113.9 10.0.0.1",
            "203.0.113.9, unknown",
            "unknown, 10.0.0.4",
            "203.0.113.9,",
            "ä",
        ] {
            assert_eq!(forwarded_seen("127.0.0.1", &[entry]), "unknown", "{entry}");
            assert_eq!(forwarded_seen("10.0.0.7", &["203.0.113.9", entry]), "unknown", "{entry}");
            assert_eq!(seen("127.0.0.1", &[(X_REAL_IP, entry)]), "unknown", "{entry}");
        }
    }

    #[test]
    fn no_header_makes_a_proxy_of_the_client_unless_it_names_only_proxies() {
        // Every list of up to three entries, where each may be a client, a proxy or unreadable.
        let entries = ["203.0.113.9", "10.0.0.4", "unknown"];
        let more = |lists: Vec<Vec<&'static str>>| -> Vec<Vec<&'static str>> {
            let with = |list: &Vec<_>| entries.map(|entry| [&list[..], &[entry]].concat());
            lists.iter().flat_map(with).collect()
        };
        let (one, two) = (more(vec![Vec::new()]), more(more(vec![Vec::new()])));
        for list in one.into_iter().chain(two.clone()).chain(more(two)) {
            let nearest = list.iter().rev().find(|entry| **entry != "10.0.0.4");
            let expected = nearest.map_or("10.0.0.4", |entry| *entry);
            assert_eq!(forwarded_seen("127.0.0.1", &[&list.join(", ")]), expected, "{list:?}");
            assert_eq!(forwarded_seen("127.0.0.1", &list), expected, "in lines of their own: {list:?}");
        }
    }

    #[test]
    fn x_real_ip_tells_only_where_x_forwarded_for_does_not_and_a_proxy_wrote_it() {
        let real = (X_REAL_IP, "203.0.113.9");
        assert_eq!(seen("127.0.0.1", std::slice::from_ref(&real)), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &[(X_FORWARDED_FOR, "192.0.2.1"), real.clone()]), "192.0.2.1");
        assert_eq!(seen("127.0.0.1", &[(X_FORWARDED_FOR, "unknown"), real.clone()]), "unknown");
        assert_eq!(seen("127.0.0.1", &[(X_REAL_IP, "192.0.2.1"), real.clone()]), "unknown");
        assert_eq!(seen("192.0.2.1", &[real]), "192.0.2.1");
    }
}
