//! Importing keys.

use keystile_core::{Action, ApiKey, Digest};
use keystile_store::{Import, KeyFilter, StoreError};
use serde_json::json;

use crate::bed::Bed;
use crate::sample::{World, at, object};

fn digests(keys: &[ApiKey]) -> Vec<Digest> {
    keys.iter().map(|key| key.secret.digest).collect()
}

pub(crate) async fn many_keys_are_imported_with_their_entries_and_tags(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let tags =
        |n: usize| object(&if n.is_multiple_of(2) { json!({ "n": n, "even": true }) } else { json!({}) });
    let keys: Vec<_> = (0..600).map(|n| ApiKey { tags: tags(n), ..world.key() }).collect();
    let audit: Vec<_> = keys.iter().map(|key| world.entry(Action::KeyImport, key.id)).collect();
    let (asked, written) = (digests(&keys), keys.clone());
    let told = store.import_keys::<_, ()>(world.tenant.id, asked, move |held| {
        assert!(held.own.is_empty() && held.taken.is_empty());
        Ok(Import { keys: written, audit, told: "done" })
    });
    assert_eq!(told.await.unwrap(), Ok("done"));
    for key in [&keys[0], &keys[255], &keys[256], &keys[599]] {
        assert_eq!(world.read(&store, key.id).await, *key);
    }
    assert_eq!(world.log(&store).await.len(), 601);
    let even = KeyFilter { tag: Some("even".into()), ..KeyFilter::all(at(0)) };
    assert_eq!(world.listed(&store, &even).await.len(), 300);
    let facts = store.facts_by_digest(digests(&keys[..1])).await.unwrap();
    assert_eq!(facts[0].facts.id, keys[0].id);
}

pub(crate) async fn an_import_is_told_what_is_there(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (own, theirs, renewed) =
        (world.created(&store).await, other.created(&store).await, other.created(&store).await);
    let entry = other.entry(Action::KeyRegenerate, renewed.id);
    let next = other.key().secret;
    let changed = store.change_key::<()>(other.tenant.id, renewed.id, move |key| {
        key.secret = next;
        Ok(Some(entry))
    });
    changed.await.unwrap().unwrap().unwrap();
    let mut asked = digests(&[own.clone(), theirs.clone(), renewed.clone()]);
    asked.extend((0..400_u32).map(|n| Digest::of(&n.to_be_bytes())));
    let (held, taken) = (own.clone(), [theirs.secret.digest, renewed.secret.digest]);
    let told = store.import_keys::<(), _>(world.tenant.id, asked, move |found| {
        assert_eq!(found.own.get(&held.secret.digest), Some(&held));
        assert!(found.own.len() == 1 && found.taken.len() == 2);
        assert!(taken.iter().all(|digest| found.taken.contains(digest)));
        Err("seen")
    });
    assert_eq!(told.await.unwrap(), Err("seen"));
}

pub(crate) async fn an_import_that_fails_writes_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let there = world.created(&store).await;
    let keys: Vec<_> =
        (0..300).map(|_| world.key()).chain([ApiKey { secret: there.secret, ..world.key() }]).collect();
    let told = store.import_keys::<(), ()>(world.tenant.id, digests(&keys), move |_| {
        Ok(Import { keys, audit: vec![], told: () })
    });
    assert!(matches!(told.await, Err(StoreError::Conflict(_))));
    assert_eq!(world.listed(&store, &KeyFilter::all(at(0))).await, [there.id]);
}
