//! Replays the seeds of the fuzz targets for small values with the stable toolchain.

use std::collections::BTreeSet;
use std::path::Path;

use keystile_core::network::parse_network;
use keystile_core::{BaseUrl, Grant, Permission, WebhookUrl};

use crate::{base_url_laws, key_search_laws, network_laws, permission_laws, webhook_url_laws};

/// Each seed keeps the laws; its name begins with what the parser makes of it. Gives all that were met.
fn met(target: &str, laws: fn(&[u8]), kind: fn(&str) -> &'static str) -> Vec<&'static str> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut met = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        laws(&bytes);
        let kind = std::str::from_utf8(&bytes).map_or("refused", kind);
        assert!(name.starts_with(kind), "{name} is {kind}");
        met.insert(kind);
    }
    met.into_iter().collect()
}

#[test]
fn every_seed_of_a_permission_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |text: &str| match (Permission::parse(text), text.parse::<Grant>()) {
        (Ok(_), _) => "concrete",
        (Err(_), Ok(_)) => "wildcard",
        (Err(_), Err(_)) => "refused",
    };
    assert_eq!(met("permission", permission_laws::hold, kind), ["concrete", "refused", "wildcard"]);
}

#[test]
fn every_seed_of_a_network_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |text: &str| match parse_network(text.trim()) {
        Some(ipnet::IpNet::V4(_)) => "v4",
        Some(ipnet::IpNet::V6(_)) => "v6",
        None => "refused",
    };
    assert_eq!(met("network", network_laws::hold, kind), ["refused", "v4", "v6"]);
}

#[test]
fn every_seed_of_a_webhook_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |text: &str| match text.parse::<WebhookUrl>().map(|url| url.literal()) {
        Ok(Some(std::net::IpAddr::V4(_))) => "v4",
        Ok(Some(std::net::IpAddr::V6(_))) => "v6",
        Ok(None) => "name",
        Err(_) => "refused",
    };
    assert_eq!(met("webhook_url", webhook_url_laws::hold, kind), ["name", "refused", "v4", "v6"]);
}

#[test]
fn every_seed_of_a_provider_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |text: &str| match text.parse::<BaseUrl>().map(|url| url.literal()) {
        Ok(Some(std::net::IpAddr::V4(_))) => "v4",
        Ok(Some(std::net::IpAddr::V6(_))) => "v6",
        Ok(None) => "name",
        Err(_) => "refused",
    };
    assert_eq!(met("base_url", base_url_laws::hold, kind), ["name", "refused", "v4", "v6"]);
}

#[test]
fn every_seed_of_a_search_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |text: &str| match key_search_laws::found(text.as_bytes(), text.len().max(1)).len() {
        0 => "none",
        1 => "one",
        _ => "many",
    };
    assert_eq!(met("key_search", key_search_laws::hold, kind), ["many", "none", "one", "refused"]);
}
