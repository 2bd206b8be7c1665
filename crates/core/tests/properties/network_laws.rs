//! What is true of any bytes as a network. The fuzz target searches for bytes that break it; the test beside it replays the
//! seeds.

use keystile_core::AllowedIps;
use keystile_core::network::parse_network;

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let list = AllowedIps::parse(&[text]);
    let Some(network) = parse_network(text.trim()) else {
        assert!(list.is_err());
        return;
    };
    assert_eq!(network.addr(), network.network(), "no bits of a host are left");
    assert_eq!(network.addr(), network.addr().to_canonical(), "IPv4 is never written as IPv6");
    assert_eq!(parse_network(&network.to_string()), Some(network), "one network has one form");
    let list = list.unwrap();
    assert_eq!(list.iter().collect::<Vec<_>>(), [network.to_string()]);
    assert!(list.allow(Some(network.network())));
    assert!(!list.allow(None), "an unknown address is on no list");
    assert!(
        list.include(&list) && AllowedIps::default().include(&list) && !list.include(&AllowedIps::default())
    );
}
