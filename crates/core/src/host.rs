//! Where a URL leads: its scheme, host and port. Whatever programs take for an address beside its usual form is refused, so that
//! nothing is checked as one thing and connected to as another.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The scheme, the host without brackets, and what stands behind its colon.
pub(crate) fn split(url: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, rest) = url.split_once("://")?;
    if !["https", "http"].contains(&scheme) {
        return None;
    }
    let authority = rest.split(['/', '?']).next()?;
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, behind) = bracketed.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
        return Some((scheme, host, port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((scheme, host, Some(port))),
        None => Some((scheme, authority, None)),
    }
}

/// Whether it is a name, or an address in its usual form.
pub(crate) fn is_host(host: &str) -> bool {
    if host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    name.len() <= 253 && name.split('.').all(is_label) && !ends_in_a_number(name)
}

/// Such a host is an address to those who follow the URL Standard: `127.1`, `0x7f000001`, `2130706433`.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let is_decimal = last.bytes().all(|b| b.is_ascii_digit());
    is_decimal || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether it is no port at all, or one from 1 to 65,535.
pub(crate) fn is_port(port: Option<&str>) -> bool {
    port.is_none_or(|port| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
