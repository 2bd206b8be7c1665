//! The client's address, as far as trusted proxies tell.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The address of whoever sent the request. A peer that is no trusted proxy is the client itself, whatever
/// its headers say. Behind trusted proxies it is the last address in `X-Forwarded-For` that is not one of
/// them, or the first when all are. Only without that header `X-Real-IP` tells: a proxy that writes the one may pass
/// the other on as the client sent it. Where neither tells, it is the peer.
pub(crate) fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !is_trusted(&peer) {
        return peer;
    }
    let told =
        if headers.contains_key(X_FORWARDED_FOR) { forwarded(headers, is_trusted) } else { real_ip(headers) };
    told.unwrap_or(peer)
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

fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    parse(headers.get(X_REAL_IP)?.to_str().ok()?)
}

fn parse(entry: &str) -> Option<IpAddr> {
    entry.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let lines = forwarded.iter().map(|line| (X_FORWARDED_FOR, http::HeaderValue::from_static(line)));
        let trusted = ["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        client_ip(peer.parse().unwrap(), &HeaderMap::from_iter(lines), &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(seen("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["1.2.3.4, 203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(seen("::ffff:127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_forged_entry_is_not_reached_and_nonsense_not_believed() {
        assert_eq!(seen("127.0.0.1", &["1.1.1.1", "203.0.113.9"]), "203.0.113.9", "the later line is nearer");
        assert_eq!(seen("127.0.0.1", &["203.0.113.9, nonsense"]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["10.0.0.3, 10.0.0.4"]), "10.0.0.3");
    }

    #[test]
    fn x_real_ip_tells_only_where_x_forwarded_for_does_not_and_a_proxy_wrote_it() {
        let real = |peer: &str, forwarded: Option<&'static str>| {
            let real = (X_REAL_IP, http::HeaderValue::from_static("203.0.113.9"));
            let forwarded = forwarded.map(|line| (X_FORWARDED_FOR, http::HeaderValue::from_static(line)));
            let headers = HeaderMap::from_iter(forwarded.into_iter().chain([real]));
            client_ip(peer.parse().unwrap(), &headers, &["127.0.0.0/8".parse().unwrap()]).to_string()
        };
        assert_eq!(real("127.0.0.1", None), "203.0.113.9");
        assert_eq!(real("127.0.0.1", Some("192.0.2.1")), "192.0.2.1");
        assert_eq!(real("127.0.0.1", Some("unknown")), "127.0.0.1");
        assert_eq!(real("192.0.2.1", None), "192.0.2.1");
    }
}
