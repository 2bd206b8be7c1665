//! Rotating a key.

use keystile_core::key::{SecretFacts, mint};
use keystile_core::{Action, Actor, ApiKey, Environment, KeyId, Timestamp};
use keystile_store::{Rotated, Rotation, Store, StoreError, Unique};

use crate::bed::Bed;
use crate::sample::{World, at, number};

/// What a rotation at `now` writes, with a new secret.
fn rotation(world: &World, key: &mut ApiKey, now: Timestamp) -> Rotation {
    let n = number();
    let mut random = [7; 32];
    random[..4].copy_from_slice(&n.to_be_bytes());
    let secret = mint(&world.tenant.key_label, Environment::Production, &random);
    let id = KeyId::from_parts(at(n.into()), n.into());
    let successor = key.successor(id, SecretFacts::of(&secret), Actor::System, now);
    key.expires_at = Some(now);
    key.version += 1;
    Rotation {
        successor,
        ended: world.entry(Action::KeyRotate, key.id),
        made: world.entry(Action::KeyCreate, id),
    }
}

/// Rotates unless there is a successor that lives; tells which otherwise.
async fn rotated(store: &Store, world: &World, id: KeyId, now: Timestamp) -> Result<Rotated, KeyId> {
    let its = world.clone();
    let done = store.rotate_key(world.tenant.id, id, now, move |key, living| match living {
        Some(successor) => Err(successor),
        None => Ok(rotation(&its, key, now)),
    });
    done.await.unwrap().unwrap()
}

pub(crate) async fn a_rotation_writes_both_keys_and_both_entries(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let done = rotated(&store, &world, key.id, at(50)).await.unwrap();
    assert_eq!(done.before, key);
    assert_eq!((done.after.expires_at, done.after.version), (Some(at(50)), 2));
    assert_eq!(world.read(&store, key.id).await, done.after);
    assert_eq!(world.read(&store, done.successor.id).await, done.successor);
    let told: Vec<_> = world.log(&store).await.into_iter().take(2).map(|entry| entry.target).collect();
    assert_eq!(told, [done.successor.id.to_string(), key.id.to_string()]);
    let elsewhere = World::founded(&store).await;
    let foreign = store.rotate_key::<()>(elsewhere.tenant.id, key.id, at(60), |_, _| Err(()));
    assert!(foreign.await.unwrap().is_none(), "another tenant's key is not there");
}

pub(crate) async fn a_rotation_is_told_of_a_successor_that_lives(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let first = rotated(&store, &world, key.id, at(50)).await.unwrap().successor;
    assert_eq!(rotated(&store, &world, key.id, at(60)).await, Err(first.id));
    let second = rotated(&store, &world, first.id, at(70)).await.unwrap().successor;
    assert_eq!(second.lineage_id, key.id);
    // The first successor has ended at 70, so the key has none that lives.
    assert!(rotated(&store, &world, key.id, at(69)).await.is_err());
    let other = rotated(&store, &world, key.id, at(70)).await.unwrap().successor;
    let made = async |of: KeyId| -> Vec<KeyId> {
        store.successors(world.tenant.id, of).await.unwrap().iter().map(|key| key.id).collect()
    };
    assert_eq!(made(key.id).await, [other.id, first.id], "the newest first, ended ones too");
    assert_eq!(made(first.id).await, [second.id]);
    assert!(made(second.id).await.is_empty());
    let elsewhere = World::founded(&store).await;
    assert!(store.successors(elsewhere.tenant.id, key.id).await.unwrap().is_empty(), "not another tenant's");
}

pub(crate) async fn a_rotation_that_fails_writes_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (key, other) = (world.created(&store).await, world.created(&store).await);
    let (its, taken) = (world.clone(), other.secret.clone());
    let done = store.rotate_key::<()>(world.tenant.id, key.id, at(50), move |key, _| {
        let mut rotation = rotation(&its, key, at(50));
        rotation.successor.secret = taken;
        Ok(rotation)
    });
    assert!(matches!(done.await, Err(StoreError::Conflict(Unique::Secret))));
    let its = world.clone();
    let done = store.rotate_key::<()>(world.tenant.id, key.id, at(50), move |key, _| {
        let rotation = rotation(&its, key, at(50));
        key.lineage_id = rotation.successor.id;
        Ok(rotation)
    });
    assert!(matches!(done.await, Err(StoreError::Refused(_))));
    assert_eq!(world.read(&store, key.id).await, key);
    assert_eq!(world.log(&store).await.len(), 3);
}

pub(crate) async fn of_many_rotations_at_once_one_succeeds(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, world) = (store.clone(), world.clone());
            tokio::spawn(async move {
                rotated(&store, &world, key.id, at(50)).await.map(|done| done.successor.id)
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 19));
    assert!(refused.iter().all(|told| *told == Err(made[0].unwrap())));
}
