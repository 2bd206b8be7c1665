//! The addresses a key may be used from.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::Invalid;

/// Bits of `::ffff:0:0/96`, below which IPv4 is mapped into IPv6 (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A list of networks in CIDR form; empty means any address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedIps(Box<[IpNet]>);

impl AllowedIps {
    /// Most networks one key may list.
    pub const MAX: usize = 100;

    /// Reads networks (`10.0.0.0/8`) and single addresses (`192.0.2.7`, `2001:db8::1`).
    ///
    /// # Errors
    /// Names the first entry that is neither, or says that there are too many.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, Invalid> {
        if entries.len() > Self::MAX {
            return Err(Invalid::rule(format!("must have at most {} entries", Self::MAX)));
        }
        let parse = |(index, entry): (usize, &S)| {
            parse_network(entry.as_ref().trim()).ok_or_else(|| {
                Invalid::new(
                    format!("[{index}]"),
                    "must be an IP address or a CIDR network such as `10.0.0.0/8`",
                )
            })
        };
        entries.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether any address is allowed.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` may use the key. An unknown address may use only a key without a list.
    pub fn allow(&self, address: Option<IpAddr>) -> bool {
        self.is_any()
            || address.is_some_and(|ip| self.0.iter().any(|network| network.contains(&ip.to_canonical())))
    }

    /// Whether every address that `other` allows is allowed here, too.
    pub fn include(&self, other: &Self) -> bool {
        let inside = |network: &IpNet| self.0.iter().any(|own| own.contains(network));
        self.is_any() || (!other.is_any() && other.0.iter().all(inside))
    }

    /// The networks in their text form.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }
}

/// Reads a network or a single address. Host bits are dropped, and IPv4 mapped into IPv6 is IPv4, so that one network has
/// one form, and addresses in their canonical form can be looked for in it.
pub fn parse_network(entry: &str) -> Option<IpNet> {
    if let Ok(address) = IpAddr::from_str(entry) {
        return Some(IpNet::from(address.to_canonical()));
    }
    let network = entry.parse::<IpNet>().ok()?.trunc();
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED_BITS)) {
        (address @ IpAddr::V4(_), Some(bits)) => IpNet::new(address, bits).ok(),
        _ => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_empty_list_allows_any_address_and_a_list_only_its_own() {
        assert!(AllowedIps::default().allow(None));
        let list = AllowedIps::parse(&["10.1.2.3/8", "2001:db8::/32", "192.0.2.7"]).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]);
        for allowed in ["10.9.9.9", "::ffff:10.9.9.9", "2001:db8::5", "192.0.2.7"] {
            assert!(list.allow(ip(allowed)), "{allowed}");
        }
        for refused in ["11.0.0.1", "2001:db9::1", "192.0.2.8"] {
            assert!(!list.allow(ip(refused)), "{refused}");
        }
        assert!(!list.allow(None));
    }

    #[test]
    fn a_mapped_network_is_the_one_that_is_mapped() {
        let list = AllowedIps::parse(&["::ffff:10.1.2.3/104", "::ffff:192.0.2.7/128", "::/64"]).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["10.0.0.0/8", "192.0.2.7/32", "::/64"]);
        assert!(
            list.allow(ip("10.9.9.9")) && list.allow(ip("::ffff:10.9.9.9")) && !list.allow(ip("11.0.0.1"))
        );
        let any_ipv4 = AllowedIps::parse(&["::ffff:0:0/96"]).unwrap();
        assert!(any_ipv4.allow(ip("203.0.113.9")) && !any_ipv4.allow(ip("2001:db8::5")));
    }

    #[test]
    fn a_bad_entry_is_named() {
        let refused = AllowedIps::parse(&["10.0.0.0/8", "10.0.0.0/33"]).unwrap_err();
        assert_eq!(refused.at("allowed_ips").field, "allowed_ips[1]");
    }
}
