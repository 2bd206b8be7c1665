//! What is true of the client's address for any forwarded ones. The fuzz target searches for bytes that break it; a test replays
//! the seeds.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};
use keystile_bearer::client_ip;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

fn trusted() -> [IpNet; 1] {
    [Ipv4Net::new_assert([10, 0, 0, 0].into(), 8).into()]
}

fn headers(bytes: &[u8]) -> HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    lines.map(|line| (X_FORWARDED_FOR, line)).collect()
}

fn seen(peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    client_ip(peer, headers, &trusted()).0
}

/// What is made of them behind a trusted proxy.
pub(crate) fn kind(bytes: &[u8]) -> &'static str {
    if seen(PROXY, &headers(bytes)).is_some() { "known" } else { "unknown" }
}

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    let told = headers(bytes);
    assert_eq!(seen(STRANGER, &told), Some(STRANGER), "who is not trusted speaks for nobody else");
    let client = seen(PROXY, &told);
    assert_eq!(kind(bytes) == "unknown", client.is_none());
    let is_proxy = |ip: &IpAddr| trusted().iter().any(|network| network.contains(ip));
    assert_eq!(client.map(|ip| ip.to_canonical()), client);
    if client.is_none_or(|ip| !is_proxy(&ip)) {
        let lines = std::iter::once(HeaderValue::from_static("198.51.100.7")).chain(told.values().cloned());
        let forged = lines.map(|line| (X_FORWARDED_FOR, line)).collect();
        assert_eq!(seen(PROXY, &forged), client, "what a client writes before is not believed");
    }
}
