//! What verification reads.

use keystile_core::key::Revocation;
use keystile_core::{
    Action, Actor, ApiKey, Digest, KeyFacts, KeyReading, LogRequests, RateLimit, Rates, SharedRates,
};
use keystile_store::Store;

use crate::bed::Bed;
use crate::sample::{World, at, limits};

async fn reading(store: &Store, key: &ApiKey) -> Option<KeyReading> {
    let found = store.facts_by_digest(vec![key.secret.digest]).await.unwrap();
    assert!(found.len() <= 1 && found.iter().all(|reading| reading.digest == key.secret.digest));
    found.into_iter().next()
}

async fn facts(store: &Store, key: &ApiKey) -> Option<KeyFacts> {
    reading(store, key).await.map(|reading| reading.facts)
}

async fn shared_rates(store: &Store, key: &ApiKey) -> SharedRates {
    reading(store, key).await.unwrap().shared_rates
}

pub(crate) async fn facts_are_those_of_the_record(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for bits in 0..16 {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let mut key = if on(3) { world.full_key() } else { world.key() };
        key.enabled = on(0);
        key.revoked = on(1).then(|| Revocation { at: at(1), reason: None });
        key.deleted = on(2).then(|| (at(2), Actor::System));
        world.create(&store, &key).await;
        let read = facts(&store, &key).await.unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", KeyFacts::of(&key)));
    }
}

pub(crate) async fn any_number_of_digests_is_asked_at_once(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut keys = vec![];
    for _ in 0..20 {
        keys.push(world.created(&store).await);
    }
    for count in [0, 1, 2, 8, 9, 64, 65, 256, 257, 600] {
        // Strangers among ours, and ours twice.
        let strangers = (0_u32..).map(|n| Digest::of(&n.to_be_bytes()));
        let mut digests: Vec<_> =
            keys.iter().map(|key| key.secret.digest).chain(strangers).take(count).collect();
        digests.reverse();
        let found = store.facts_by_digest(digests.clone()).await.unwrap();
        let mut ids: Vec<_> = found.iter().map(|read| read.facts.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, keys.iter().take(count).map(|key| key.id).collect::<Vec<_>>(), "{count}");
        assert!(found.iter().all(|read| {
            keys.iter().any(|key| key.secret.digest == read.digest && key.id == read.facts.id)
        }));
    }
}

pub(crate) async fn facts_are_those_of_the_last_commit(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    for blocked in [true, false].repeat(20) {
        let told = world.entry(Action::KeyBlock, key.id);
        let changed = store.change_key::<()>(world.tenant.id, key.id, move |key| {
            key.blocked = blocked.then(|| "leaked".to_owned());
            Ok(Some(told))
        });
        changed.await.unwrap().unwrap().unwrap();
        assert_eq!(facts(&store, &key).await.unwrap().blocked, blocked);
    }
}

pub(crate) async fn a_replaced_secret_finds_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let (secret, told) = (world.key().secret, world.entry(Action::KeyRegenerate, key.id));
    let changed = store.change_key::<()>(world.tenant.id, key.id, move |key| {
        key.secret = secret;
        Ok(Some(told))
    });
    let after = changed.await.unwrap().unwrap().unwrap().after;
    assert!(facts(&store, &key).await.is_none());
    assert_eq!(facts(&store, &after).await.unwrap().id, key.id);
}

pub(crate) async fn limits_of_all_who_share_them_are_read_with_the_key(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (alone, scoped) = (world.created(&store).await, world.full_key());
    world.create(&store, &scoped).await;
    let tenant = limits().request_rates();
    assert_eq!(
        shared_rates(&store, &alone).await,
        SharedRates { tenant: tenant.clone(), ..SharedRates::default() }
    );
    let (tenant_id, customer_id) = (world.tenant.id, scoped.customer_id.unwrap());
    let told = world.entry(Action::CustomerUpdate, scoped.id);
    let changed = store.change_customer::<()>(tenant_id, customer_id, move |customer| {
        customer.limits.rpm = Some(7);
        Ok(Some(told))
    });
    changed.await.unwrap().unwrap().unwrap();
    let told = world.entry(Action::ApplicationUpdate, scoped.id);
    let changed = store.change_application::<()>(tenant_id, scoped.application_id, move |application| {
        application.limits = limits();
        Ok(Some(told))
    });
    changed.await.unwrap().unwrap().unwrap();
    let told = world.entry(Action::TenantUpdate, scoped.id);
    let changed = store.change_tenant::<()>(tenant_id, move |tenant| {
        tenant.settings.log_requests = LogRequests::Refused;
        Ok(Some(told))
    });
    changed.await.unwrap().unwrap().unwrap();
    let (customer, application) = (Rates::new(Some(7), &[]), limits().request_rates());
    let log_requests = LogRequests::Refused;
    let expected = SharedRates { customer, application, tenant, log_requests };
    assert_eq!(shared_rates(&store, &scoped).await, expected);
}

pub(crate) async fn limits_that_were_kept_before_they_had_a_policy_still_read(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let kept = r#"[{"name":"old","limit":9,"window_seconds":60,"burst":3}]"#;
    for table in ["api_keys", "applications", "tenants"] {
        bed.run_sql(&format!("UPDATE {table} SET rpm_limit = NULL, rate_limits = '{kept}'"));
    }
    let old = RateLimit { name: "old".into(), limit: 9, window_seconds: 60, burst: Some(3), when_away: None };
    let rates = Rates::new(None, std::slice::from_ref(&old));
    let read = reading(&store, &key).await.unwrap();
    assert_eq!(read.facts.limits.unwrap().rates, rates);
    assert_eq!((read.shared_rates.application, read.shared_rates.tenant), (rates.clone(), rates));
    let record = store.key(world.tenant.id, key.id).await.unwrap().unwrap();
    assert_eq!(record.limits.rates, [old]);
}
