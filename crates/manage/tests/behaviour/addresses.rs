//! From where a key was used: who may see it, and for how long.

use std::net::IpAddr;

use keystile_core::key::KeyAddress;
use keystile_core::{ApiKey, Role};
use keystile_manage::{Caller, Refused, VersionGuard};
use keystile_store::Touch;

use crate::bench::Bench;

const DAY: i64 = 24 * 60 * 60;

/// Writes that the key was used now.
async fn used(bench: &Bench, key: &ApiKey, ip: &str) {
    let (at, ip) = (bench.control.present(), Some(ip.parse().unwrap()));
    bench.store.touch_keys(vec![Touch { tenant_id: key.tenant_id, key_id: key.id, at, ip }]).await.unwrap();
}

async fn addresses(bench: &Bench, caller: &Caller, key: &ApiKey) -> Vec<KeyAddress> {
    let history = bench.control.history(caller, key.id).await.unwrap();
    bench.control.key_addresses(history).await.unwrap()
}

fn ips(addresses: &[KeyAddress]) -> Vec<String> {
    addresses.iter().map(|address: &KeyAddress| address.ip.to_string()).collect()
}

#[tokio::test]
async fn whoever_sees_a_key_sees_from_where_it_is_used_and_nobody_else() {
    let bench = Bench::new().await;
    let (ours, theirs) = (bench.caller(Role::Viewer).await, bench.caller(Role::Developer).await);
    let key = bench.key(&theirs).await.key;
    assert_eq!(addresses(&bench, &theirs, &key).await, []);
    used(&bench, &key, "192.0.2.1").await;
    bench.turn(60);
    used(&bench, &key, "2001:db8::1").await;
    let seen = addresses(&bench, &theirs, &key).await;
    assert_eq!(ips(&seen), ["2001:db8::1", "192.0.2.1"]);
    assert_eq!(
        (seen[0].ip, seen[0].first_seen_at),
        ("2001:db8::1".parse::<IpAddr>().unwrap(), bench.control.present())
    );
    let refused = bench.control.history(&ours, key.id).await.unwrap_err();
    assert!(matches!(refused, Refused::NotFound("API key")), "{refused:?}");
    drop(bench.control.delete_key(&theirs, key.id, VersionGuard(None)).await.unwrap());
    assert_eq!(addresses(&bench, &theirs, &key).await, seen, "its history stays");
}

#[tokio::test]
async fn an_address_is_forgotten_a_month_after_it_was_seen_last() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let key = bench.key(&caller).await.key;
    used(&bench, &key, "192.0.2.1").await;
    used(&bench, &key, "192.0.2.2").await;
    bench.turn(10 * DAY);
    used(&bench, &key, "192.0.2.2").await;
    bench.turn(20 * DAY);
    assert_eq!(ips(&addresses(&bench, &caller, &key).await), ["192.0.2.2", "192.0.2.1"]);
    bench.turn(1);
    assert_eq!(ips(&addresses(&bench, &caller, &key).await), ["192.0.2.2"]);
    bench.turn(10 * DAY);
    assert_eq!(addresses(&bench, &caller, &key).await, []);
}
