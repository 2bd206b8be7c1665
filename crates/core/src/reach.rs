//! Which addresses may be connected to on behalf of a tenant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::{BaseUrl, Invalid, WebhookUrl};

/// Which addresses may be connected to on behalf of a tenant: public ones, and those that the operator lists. Whoever writes a
/// URL must not reach what only this machine reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    listed: Vec<IpNet>,
}

impl Reach {
    /// Public addresses, and these networks.
    pub const fn new(listed: Vec<IpNet>) -> Self {
        Self { listed }
    }

    /// Whether this address may be connected to, encrypted.
    pub fn covers(&self, ip: IpAddr) -> bool {
        self.lists(ip) || is_public(ip.to_canonical())
    }

    /// Whether the operator lists this address, so that it may be connected to without encryption, too.
    pub fn lists(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.listed.iter().any(|network| network.contains(&ip))
    }

    /// Whether a webhook's URL may be sent to, as far as that can be told without looking names up; what names stand for is checked
    /// each time that one is connected to.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn check(&self, url: &WebhookUrl) -> Result<(), Invalid> {
        self.judge(url.literal(), url.is_encrypted(), "KEYSTILE_WEBHOOK_ALLOW")
    }

    /// The same of where a provider's API is.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn check_upstream(&self, url: &BaseUrl) -> Result<(), Invalid> {
        self.judge(url.literal(), !url.is_plain(), "KEYSTILE_GATEWAY_UPSTREAMS_PRIVATE")
    }

    /// `setting` is where the operator lists what is in `self`.
    fn judge(&self, literal: Option<IpAddr>, is_encrypted: bool, setting: &str) -> Result<(), Invalid> {
        let may_be = match literal {
            Some(ip) if is_encrypted => self.covers(ip),
            Some(ip) => self.lists(ip),
            None => is_encrypted || !self.listed.is_empty(),
        };
        match (may_be, is_encrypted) {
            (true, _) => Ok(()),
            (false, true) => Err(Invalid::rule(format!(
                "must not lead to a private, local or reserved address, unless the operator lists it in {setting}"
            ))),
            (false, false) => Err(Invalid::rule(format!(
                "must begin with `https://`; `http://` is for addresses that the operator lists in {setting}"
            ))),
        }
    }
}

const fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// By IANA's registry of special addresses: this network, private, shared, loopback, link-local, protocol assignments,
/// documentation, 6to4 relays, benchmarks, multicast and reserved ones are not.
const fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast without protocol assignments such as Teredo, documentation, and 6to4, which stand for others. What is
/// mapped from IPv4 was judged as that.
const fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    a & 0xe000 == 0x2000
        && !matches!((a, b), (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each class, from its beginning or its end.
    const SPECIAL: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "100::1",
        "2001::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "2001:200::1",
        "2606:4700::1111",
        "2a00:1450::1",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_are_reached_unless_others_are_listed() {
        let usual = Reach::default();
        for special in SPECIAL {
            assert!(!usual.covers(ip(special)), "{special}");
        }
        for public in PUBLIC {
            assert!(usual.covers(ip(public)) && !usual.lists(ip(public)), "{public}");
        }
        let listed = Reach::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for own in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"] {
            assert!(listed.covers(ip(own)) && listed.lists(ip(own)), "{own}");
        }
        assert!(!listed.covers(ip("192.168.1.1")) && listed.covers(ip("1.1.1.1")));
    }

    #[test]
    fn a_url_is_refused_for_the_address_that_it_names() {
        let check = |reach: &Reach, url: &str| reach.check(&url.parse().unwrap()).is_ok();
        let (usual, listed) = (Reach::default(), Reach::new(vec!["127.0.0.0/8".parse().unwrap()]));
        for (url, is_usual, is_listed) in [
            ("https://example.com/", true, true),
            ("https://1.1.1.1/", true, true),
            ("https://127.0.0.1/", false, true),
            ("https://[::1]/", false, false),
            ("https://169.254.169.254/", false, false),
            ("http://127.0.0.1:8080/", false, true),
            ("http://1.1.1.1/", false, false),
            // What a name stands for is seen when it is connected to.
            ("http://localhost/", false, true),
        ] {
            assert_eq!((check(&usual, url), check(&listed, url)), (is_usual, is_listed), "{url}");
        }
    }

    #[test]
    fn a_provider_is_refused_for_a_private_address_that_is_not_listed() {
        let check = |reach: &Reach, url: &str| reach.check_upstream(&url.parse().unwrap());
        let (usual, listed) = (Reach::default(), Reach::new(vec!["10.0.0.0/8".parse().unwrap()]));
        for url in ["http://10.1.2.3:11434/v1", "https://10.1.2.3/v1", "http://ollama:11434/v1"] {
            let refused = check(&usual, url).unwrap_err();
            assert!(refused.rule.contains("KEYSTILE_GATEWAY_UPSTREAMS_PRIVATE"), "{refused}");
            assert_eq!(check(&listed, url), Ok(()), "{url}");
        }
        assert_eq!(check(&usual, "https://api.openai.com/v1"), Ok(()));
    }
}
