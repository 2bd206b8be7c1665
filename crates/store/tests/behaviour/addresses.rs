//! From where keys were used lately.

use std::net::IpAddr;

use keystile_core::key::KeyAddress;
use keystile_core::{KeyId, TenantId, Timestamp};
use keystile_store::{Store, Touch};

use crate::bed::Bed;

const DAY: i64 = 86_400_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_parts(at(1), number)
}

fn key(number: u128) -> KeyId {
    KeyId::from_parts(at(1), number)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The address with this number.
fn numbered(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn touch(number: u128, millis: i64, ip: Option<IpAddr>) -> Touch {
    Touch { tenant_id: tenant(1), key_id: key(number), at: at(millis), ip }
}

async fn seen_since(store: &Store, number: u128, since: i64) -> Vec<(IpAddr, i64, i64)> {
    let addresses = store.key_addresses(tenant(1), key(number), at(since)).await.unwrap();
    let told = |seen: KeyAddress| (seen.ip, seen.first_seen_at.as_millis(), seen.last_seen_at.as_millis());
    addresses.into_iter().map(told).collect()
}

async fn seen(store: &Store, number: u128) -> Vec<(IpAddr, i64, i64)> {
    seen_since(store, number, 0).await
}

pub(crate) async fn each_address_is_kept_with_when_it_was_seen(bed: &Bed) {
    let store = bed.store().await;
    let (one, two) = (ip("192.0.2.1"), ip("2001:db8::2"));
    let elsewhere = Touch { tenant_id: tenant(2), ..touch(1, 99, Some(ip("192.0.2.9"))) };
    let first = vec![
        touch(1, 15, Some(ip("::ffff:192.0.2.1"))),
        touch(1, 20, Some(two)),
        touch(1, 10, Some(one)),
        touch(1, 30, None),
        touch(2, 5, Some(one)),
        elsewhere,
    ];
    store.touch_keys(first.clone()).await.unwrap();
    assert_eq!(seen(&store, 1).await, [(two, 20, 20), (one, 10, 15)]);
    assert_eq!(seen(&store, 2).await, [(one, 5, 5)]);
    store.touch_keys(vec![touch(1, 40, Some(one))]).await.unwrap();
    store.touch_keys(first).await.unwrap();
    assert_eq!(
        seen(&store, 1).await,
        [(one, 10, 40), (two, 20, 20)],
        "a batch that comes again changes nothing"
    );
    assert_eq!(seen_since(&store, 1, 20).await.len(), 2);
    assert_eq!(seen_since(&store, 1, 21).await, [(one, 10, 40)]);
    assert_eq!(seen(&store, 3).await, []);
    assert_eq!(store.key_addresses(tenant(3), key(1), at(0)).await.unwrap(), []);
}

pub(crate) async fn of_too_many_addresses_the_oldest_give_way(bed: &Bed) {
    const MOST: u8 = 32;
    assert_eq!(KeyAddress::MAX, usize::from(MOST));
    let store = bed.store().await;
    let at_number = |number: u8| touch(1, 1_000 + i64::from(number), Some(numbered(number)));
    let ips = async || seen(&store, 1).await.into_iter().map(|(ip, ..)| ip).collect::<Vec<_>>();
    let newest = |last: u8, count: u8| (last - count + 1..=last).rev().map(numbered).collect::<Vec<_>>();
    store.touch_keys((1..=MOST).map(at_number).collect()).await.unwrap();
    store.touch_keys(vec![touch(2, 1, Some(numbered(0)))]).await.unwrap();
    assert_eq!(ips().await, newest(MOST, MOST));
    store.touch_keys(vec![at_number(33)]).await.unwrap();
    assert_eq!(ips().await, newest(33, MOST));
    store.touch_keys((34..=200).map(at_number).collect()).await.unwrap();
    assert_eq!(ips().await, newest(200, MOST));
    // One that comes late is older than all others; one that is known makes no room for itself.
    store
        .touch_keys(vec![touch(1, 7, Some(numbered(0))), touch(1, 2_000, Some(numbered(169)))])
        .await
        .unwrap();
    assert_eq!(ips().await, [vec![numbered(169)], newest(200, MOST - 1)].concat());
    assert_eq!(seen(&store, 2).await, [(numbered(0), 1, 1)], "another key keeps its own");
    assert_eq!(store.sweep_addresses(at(DAY)).await.unwrap(), 33, "no more rows are there than are shown");
}

pub(crate) async fn addresses_of_many_keys_are_written_at_once(bed: &Bed) {
    let store = bed.store().await;
    let of_key =
        |number: u128| [1, 2].map(|address| touch(number, i64::from(address), Some(numbered(address))));
    store.touch_keys((0..500).flat_map(of_key).collect()).await.unwrap();
    for number in [0, 63, 64, 144, 499] {
        assert_eq!(seen(&store, number).await, [(numbered(2), 2, 2), (numbered(1), 1, 1)], "{number}");
    }
}

pub(crate) async fn addresses_that_were_not_seen_for_long_are_swept_a_few_at_a_time(bed: &Bed) {
    let store = bed.store().await;
    let yesterday = (0..1_200).map(|number| touch(number, DAY + 7, Some(numbered(1))));
    let today = [touch(7, 2 * DAY, Some(numbered(1))), touch(8, 2 * DAY, Some(numbered(2)))];
    store.touch_keys(yesterday.chain(today).collect()).await.unwrap();
    assert_eq!(store.sweep_addresses(at(2 * DAY - 1)).await.unwrap(), 0, "the day is not over");
    assert_eq!(store.sweep_addresses(at(2 * DAY)).await.unwrap(), 1_000);
    assert_eq!(store.sweep_addresses(at(2 * DAY)).await.unwrap(), 199);
    assert_eq!(store.sweep_addresses(at(2 * DAY)).await.unwrap(), 0);
    assert_eq!(seen(&store, 7).await, [(numbered(1), DAY + 7, 2 * DAY)]);
    assert_eq!(seen(&store, 8).await, [(numbered(2), 2 * DAY, 2 * DAY)]);
}
