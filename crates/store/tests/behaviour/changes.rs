//! Changing a key.

use keystile_core::{Action, ApiKey, AuditEntry, Environment, KeyId, TenantId};
use keystile_store::{Changed, Store, StoreError, Touch};

use crate::bed::Bed;
use crate::sample::{World, at};

/// What a change would be if it touched everything it may.
fn refill(key: &ApiKey, full: ApiKey) -> ApiKey {
    ApiKey {
        id: key.id,
        tenant_id: key.tenant_id,
        environment: key.environment,
        last_used_at: key.last_used_at,
        last_used_ip: key.last_used_ip.clone(),
        rotated_from_key_id: key.rotated_from_key_id,
        lineage_id: key.lineage_id,
        created_by: key.created_by,
        created_at: key.created_at,
        ..full
    }
}

pub(crate) async fn a_change_is_written_with_its_audit_entry(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let before = world.created(&store).await;
    let after = refill(&before, world.full_key());
    world.know_customer_of(&store, &after).await;
    let told = world.entry(Action::KeyUpdate, before.id);
    let (wanted, entry) = (after.clone(), told.clone());
    let changed = store.change_key::<()>(world.tenant.id, before.id, move |key| {
        *key = wanted;
        Ok(Some(entry))
    });
    let changed = changed.await.unwrap().unwrap().unwrap();
    assert_eq!(changed, Changed { before: before.clone(), after: after.clone() });
    assert_eq!(world.read(&store, before.id).await, after);
    assert_eq!(world.log(&store).await[0], told);
}

pub(crate) async fn a_change_that_fails_writes_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let changed = store.change_key(world.tenant.id, key.id, |key| {
        key.version = 99;
        Err("not allowed")
    });
    assert_eq!(changed.await.unwrap().unwrap(), Err("not allowed"));
    assert_eq!(world.read(&store, key.id).await, key);
    assert_eq!(world.log(&store).await.len(), 2);
}

pub(crate) async fn a_change_of_nothing_writes_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let changed = store.change_key::<()>(world.tenant.id, key.id, |key| {
        key.version = 99;
        Ok(None)
    });
    let same = Changed { before: key.clone(), after: key.clone() };
    assert_eq!(changed.await.unwrap().unwrap(), Ok(same));
    assert_eq!(world.read(&store, key.id).await, key);
    assert_eq!(world.log(&store).await.len(), 2);
}

pub(crate) async fn a_change_whose_audit_entry_fails_does_not_happen(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let taken: AuditEntry = world.log(&store).await[0].clone();
    let entry = taken.clone();
    let changed = store.change_key::<()>(world.tenant.id, key.id, move |key| {
        key.version += 1;
        Ok(Some(entry))
    });
    assert!(matches!(changed.await, Err(StoreError::Refused(_))));
    assert_eq!(world.read(&store, key.id).await, key);

    let other = world.key();
    assert!(matches!(store.create_key(other.clone(), taken).await, Err(StoreError::Refused(_))));
    assert_eq!(store.key(world.tenant.id, other.id).await.unwrap(), None);
}

pub(crate) async fn a_change_of_what_never_changes_is_refused(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let touches: [fn(&mut ApiKey); 5] = [
        |key| key.id = KeyId::from_parts(at(1), 1),
        |key| key.environment = Environment::Development,
        |key| key.lineage_id = KeyId::from_parts(at(1), 1),
        |key| key.created_at = at(99_999),
        |key| key.last_used_at = Some(at(99_999)),
    ];
    for touch in touches {
        let told = world.entry(Action::KeyUpdate, key.id);
        let changed = store.change_key::<()>(world.tenant.id, key.id, move |key| {
            touch(key);
            Ok(Some(told))
        });
        assert!(matches!(changed.await, Err(StoreError::Refused(_))));
        assert_eq!(world.read(&store, key.id).await, key);
    }
}

pub(crate) async fn a_change_that_panics_harms_nobody_else(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let (broken, tenant, id) = (store.clone(), world.tenant.id, key.id);
    let broken = async move { broken.change_key::<()>(tenant, id, |_| panic!("a broken change")).await };
    let broken = tokio::spawn(broken).await;
    assert!(matches!(broken, Err(_) | Ok(Err(StoreError::Refused(_)))));
    increment(&store, &world, key.id).await;
    assert_eq!(world.read(&store, key.id).await.version, 2);
}

async fn increment(store: &Store, world: &World, id: KeyId) {
    let told = world.entry(Action::KeyUpdate, id);
    let changed = store.change_key::<()>(world.tenant.id, id, move |key| {
        key.version += 1;
        Ok(Some(told))
    });
    changed.await.unwrap().unwrap().unwrap();
}

pub(crate) async fn concurrent_changes_lose_no_update(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (store, world) = (store.clone(), world.clone());
            tokio::spawn(async move { increment(&store, &world, key.id).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.read(&store, key.id).await.version, 51);
    assert_eq!(world.log(&store).await.len(), 52);
}

fn touch(key: &ApiKey, millis: i64, ip: Option<&str>) -> Touch {
    Touch { tenant_id: key.tenant_id, key_id: key.id, at: at(millis), ip: ip.map(|ip| ip.parse().unwrap()) }
}

pub(crate) async fn last_use_moves_forward_only(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let used = async |touches: Vec<Touch>| {
        store.touch_keys(touches).await.unwrap();
        let read = world.read(&store, key.id).await;
        assert_eq!(ApiKey { last_used_at: None, last_used_ip: None, ..read.clone() }, key);
        (read.last_used_at.unwrap(), read.last_used_ip)
    };
    let seen = |millis, ip: Option<&str>| (at(millis), ip.map(str::to_owned));
    assert_eq!(used(vec![touch(&key, 10, Some("192.0.2.1"))]).await, seen(10, Some("192.0.2.1")));
    assert_eq!(used(vec![touch(&key, 5, Some("192.0.2.2"))]).await, seen(10, Some("192.0.2.1")));
    assert_eq!(used(vec![touch(&key, 10, Some("192.0.2.3"))]).await, seen(10, Some("192.0.2.1")));
    let batch = vec![touch(&key, 30, Some("2001:db8::1")), touch(&key, 20, None)];
    assert_eq!(used(batch).await, seen(30, Some("2001:db8::1")));
    assert_eq!(used(vec![touch(&key, 40, None)]).await, seen(40, None));
}

pub(crate) async fn last_uses_of_many_keys_are_written_at_once(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let unknown = world.created(&store).await;
    let elsewhere = TenantId::from_parts(at(1), 999);
    let mut touches = vec![Touch { tenant_id: elsewhere, ..touch(&unknown, 1, None) }];
    let mut keys = vec![];
    for n in 0..150 {
        keys.push(world.created(&store).await);
        touches.push(touch(&keys[keys.len() - 1], 1_000 + n, Some("192.0.2.1")));
    }
    store.touch_keys(touches).await.unwrap();
    store.touch_keys(vec![]).await.unwrap();
    for (key, n) in keys.iter().zip(0..) {
        assert_eq!(world.read(&store, key.id).await.last_used_at, Some(at(1_000 + n)));
    }
    assert_eq!(world.read(&store, unknown.id).await.last_used_at, None, "it is not that tenant's key");
}

pub(crate) async fn a_change_does_not_undo_a_last_use(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    store.touch_keys(vec![touch(&key, 10, Some("192.0.2.1"))]).await.unwrap();
    increment(&store, &world, key.id).await;
    let read = world.read(&store, key.id).await;
    assert_eq!((read.version, read.last_used_at), (2, Some(at(10))));
}
