//! What verification reads.

use keystile_core::key::Revocation;
use keystile_core::{Action, Actor, ApiKey, Digest, KeyFacts};
use keystile_store::Store;

use crate::bed::Bed;
use crate::sample::{World, at};

async fn facts(store: &Store, key: &ApiKey) -> Option<KeyFacts> {
    let found = store.facts_by_digest(vec![key.secret.digest]).await.unwrap();
    assert!(found.len() <= 1);
    found.into_iter().next().map(|(digest, facts)| {
        assert!(digest == key.secret.digest);
        facts
    })
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
        let mut ids: Vec<_> = found.iter().map(|(_, facts)| facts.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, keys.iter().take(count).map(|key| key.id).collect::<Vec<_>>(), "{count}");
        assert!(found.iter().all(|(digest, facts)| {
            keys.iter().any(|key| key.secret.digest == *digest && key.id == facts.id)
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
