//! Counts of decisions about keys.

use keystile_core::usage::{Latency, Span, Step, Sum};
use keystile_core::{Code, Environment, KeyId, KeyUsage, Minute, TenantId, Timestamp};
use keystile_store::Store;

use crate::bed::Bed;

const HOUR: u32 = 60;

fn tenant() -> TenantId {
    TenantId::from_parts(Timestamp::from_millis(1), 1)
}

fn key(number: u128) -> KeyId {
    KeyId::from_parts(Timestamp::from_millis(1), number)
}

/// The moment at which a minute begins.
fn start(minute: u32) -> Timestamp {
    Timestamp::from_millis(i64::from(minute) * 60_000)
}

fn counted(number: u128, minute: u32, code: Code, count: u64) -> KeyUsage {
    let (minute, latency, environment) = (Minute::new(minute), Latency::Memory, Environment::Production);
    KeyUsage { tenant_id: tenant(), key_id: key(number), minute, code, latency, environment, count }
}

async fn sums(store: &Store, number: u128, (from, to): (u32, u32), step: Step) -> Vec<Sum> {
    let span = Span::new(start(from), start(to), step).unwrap();
    let mut sums = store.usage(tenant(), key(number), span).await.unwrap();
    sums.sort_unstable();
    sums
}

async fn series(store: &Store, number: u128, span: (u32, u32), step: Step) -> Vec<(i64, Code, u64)> {
    let sums = sums(store, number, span, step).await.into_iter();
    sums.map(|Sum { minute, code, latency: _, count }| (minute, code, count)).collect()
}

pub(crate) async fn counts_are_added_up(bed: &Bed) {
    let store = bed.store().await;
    let first = vec![
        counted(1, 119, Code::Allowed, 5),
        counted(1, 120, Code::Allowed, 7),
        counted(1, 120, Code::RateLimited, 2),
        counted(2, 120, Code::Allowed, 100),
    ];
    store.add_usage(1, first, start(0)).await.unwrap();
    store.add_usage(2, vec![counted(1, 120, Code::Allowed, 3)], start(0)).await.unwrap();
    store.add_usage(3, vec![counted(1, 179, Code::Allowed, 1)], start(0)).await.unwrap();
    store.add_usage(4, vec![counted(1, 180, Code::Allowed, 1)], start(0)).await.unwrap();
    let minutes = [(119, Code::Allowed, 5), (120, Code::RateLimited, 2), (120, Code::Allowed, 10)];
    assert_eq!(series(&store, 1, (119, 121), Step::Minute).await, minutes);
    let hours = [(60, Code::Allowed, 5), (120, Code::RateLimited, 2), (120, Code::Allowed, 11)];
    assert_eq!(series(&store, 1, (HOUR, 3 * HOUR), Step::Hour).await, hours);
    let day = [(0, Code::RateLimited, 2), (0, Code::Allowed, 17)];
    assert_eq!(series(&store, 1, (0, 1), Step::Day).await, day);
    let span = Span::new(start(0), start(1), Step::Day).unwrap();
    let elsewhere = TenantId::from_parts(Timestamp::from_millis(1), 2);
    assert!(store.usage(elsewhere, key(1), span).await.unwrap().is_empty());
}

pub(crate) async fn waits_are_counted_apart(bed: &Bed) {
    let store = bed.store().await;
    let waited = |minute, latency, count| KeyUsage { latency, ..counted(1, minute, Code::Allowed, count) };
    let counts = Latency::ALL.iter().zip(1..).map(|(latency, count)| waited(120, *latency, count)).collect();
    store.add_usage(1, counts, start(0)).await.unwrap();
    store.add_usage(2, vec![waited(121, Latency::UpTo5Ms, 10)], start(0)).await.unwrap();
    let sum = |(latency, count): (&Latency, u64)| {
        let count = if *latency == Latency::UpTo5Ms { count + 10 } else { count };
        Sum { minute: 120, code: Code::Allowed, latency: *latency, count }
    };
    let expected: Vec<_> = Latency::ALL.iter().zip(1..).map(sum).collect();
    assert_eq!(sums(&store, 1, (2 * HOUR, 3 * HOUR), Step::Hour).await, expected);
}

pub(crate) async fn a_batch_is_added_once(bed: &Bed) {
    let store = bed.store().await;
    let batch = || vec![counted(1, 10, Code::Allowed, 5)];
    let (one, two) =
        tokio::join!(store.add_usage(7, batch(), start(0)), store.add_usage(7, batch(), start(0)));
    one.and(two).unwrap();
    store.add_usage(7, batch(), start(0)).await.unwrap();
    assert_eq!(series(&store, 1, (10, 11), Step::Minute).await, [(10, Code::Allowed, 5)]);
}

pub(crate) async fn batches_of_any_size_are_added(bed: &Bed) {
    let store = bed.store().await;
    for (id, size) in [(1, 0), (2, 1), (3, 145), (4, 1_000)] {
        let counts = (0..size).map(|number| counted(number, 10, Code::Allowed, 1)).collect();
        store.add_usage(id, counts, start(0)).await.unwrap();
    }
    for (number, count) in [(0, 3), (1, 2), (144, 2), (145, 1), (999, 1)] {
        assert_eq!(series(&store, number, (10, 11), Step::Minute).await, [(10, Code::Allowed, count)]);
    }
    assert!(series(&store, 1_000, (10, 11), Step::Minute).await.is_empty());
}

pub(crate) async fn old_counts_and_batches_are_swept_a_few_at_a_time(bed: &Bed) {
    let store = bed.store().await;
    let old = |from, to| (from..to).map(|minute| counted(1, minute, Code::Allowed, 1)).collect();
    store.add_usage(1, old(0, 1_000), start(0)).await.unwrap();
    store.add_usage(2, old(1_000, 1_200), start(5)).await.unwrap();
    // A thousand of the key, as many of its tenant, and a batch; then the rest, with the hours that are over: eighteen.
    assert_eq!(store.sweep_usage(start(1_100), start(5)).await.unwrap(), 2_001);
    assert_eq!(store.sweep_usage(start(1_100), start(5)).await.unwrap(), 100 + 100 + 18);
    assert_eq!(store.sweep_usage(start(1_100), start(5)).await.unwrap(), 0);
    assert_eq!(series(&store, 1, (0, 1_200), Step::Minute).await.len(), 100);
    // The batch is still known that was not swept.
    store.add_usage(2, old(1_100, 1_101), start(5)).await.unwrap();
    assert_eq!(series(&store, 1, (1_100, 1_101), Step::Minute).await, [(1_100, Code::Allowed, 1)]);
}

async fn of_tenant(
    store: &Store,
    environment: Option<Environment>,
    (from, to): (u32, u32),
    step: Step,
) -> Vec<(i64, Code, u64)> {
    let span = Span::new(start(from), start(to), step).unwrap();
    let mut sums = store.tenant_usage(tenant(), environment, span).await.unwrap();
    sums.sort_unstable();
    sums.into_iter().map(|Sum { minute, code, latency: _, count }| (minute, code, count)).collect()
}

pub(crate) async fn the_keys_of_a_tenant_are_counted_together(bed: &Bed) {
    let store = bed.store().await;
    let staging = |counted| KeyUsage { environment: Environment::Staging, ..counted };
    let elsewhere = TenantId::from_parts(Timestamp::from_millis(1), 2);
    let first = vec![
        counted(1, 119, Code::Allowed, 5),
        counted(1, 120, Code::Allowed, 7),
        counted(2, 120, Code::RateLimited, 2),
        staging(counted(3, 120, Code::Allowed, 100)),
        KeyUsage { tenant_id: elsewhere, ..counted(4, 120, Code::Allowed, 1_000) },
    ];
    store.add_usage(1, first.clone(), start(0)).await.unwrap();
    store.add_usage(1, first, start(0)).await.unwrap();
    store.add_usage(2, vec![counted(2, 179, Code::Allowed, 1)], start(0)).await.unwrap();
    store.add_usage(3, vec![counted(1, 1_440, Code::Allowed, 3)], start(0)).await.unwrap();
    let minutes = [(119, Code::Allowed, 5), (120, Code::RateLimited, 2), (120, Code::Allowed, 107)];
    assert_eq!(of_tenant(&store, None, (119, 121), Step::Minute).await, minutes);
    let hours = [(60, Code::Allowed, 5), (120, Code::RateLimited, 2), (120, Code::Allowed, 108)];
    assert_eq!(of_tenant(&store, None, (HOUR, 3 * HOUR), Step::Hour).await, hours);
    let production = [(0, Code::RateLimited, 2), (0, Code::Allowed, 13), (1_440, Code::Allowed, 3)];
    assert_eq!(of_tenant(&store, Some(Environment::Production), (0, 1_441), Step::Day).await, production);
    let staged = [(0, Code::Allowed, 100)];
    assert_eq!(of_tenant(&store, Some(Environment::Staging), (0, 1_441), Step::Day).await, staged);
    assert!(of_tenant(&store, Some(Environment::Development), (0, 1_441), Step::Day).await.is_empty());
}

pub(crate) async fn a_day_of_a_tenant_is_swept_when_all_of_it_is_old(bed: &Bed) {
    let store = bed.store().await;
    store.add_usage(1, vec![counted(1, 1_439, Code::Allowed, 1)], start(0)).await.unwrap();
    store.sweep_usage(start(1_439), start(0)).await.unwrap();
    for step in Step::ALL {
        assert_eq!(of_tenant(&store, None, (1_439, 1_440), *step).await.len(), 1, "{step}");
    }
    store.sweep_usage(start(1_440), start(0)).await.unwrap();
    for step in Step::ALL {
        assert_eq!(of_tenant(&store, None, (1_439, 1_440), *step).await, [], "{step}");
    }
}
