//! What must exist only once.

use keystile_core::{Action, ApiKey};
use keystile_store::{KeyFilter, Store, StoreError, Unique};

use crate::bed::Bed;
use crate::sample::{World, application, at, entry, person};

fn conflicts_on<T: std::fmt::Debug>(result: &Result<T, StoreError>, expected: Unique) {
    assert!(matches!(result, Err(StoreError::Conflict(unique)) if *unique == expected), "{result:?}");
}

async fn create(store: &Store, world: &World, key: &ApiKey) -> Result<(), StoreError> {
    store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)).await
}

pub(crate) async fn an_email_address_is_taken_once(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    conflicts_on(&store.create_person(person(world.person.email.as_str())).await, Unique::Email);
    let mut other = World::new();
    other.person.email = world.person.email.clone();
    conflicts_on(&store.found_tenant(other.founding()).await, Unique::Email);
    assert_eq!(store.tenant(other.tenant.id).await.unwrap(), None);
}

pub(crate) async fn an_application_name_is_taken_once_in_a_tenant(bed: &Bed) {
    let store = bed.store().await;
    // Both have an application of the same name.
    let (world, _other) = (World::founded(&store).await, World::founded(&store).await);
    let again = application(world.tenant.id, world.application.name.as_str());
    let told = entry(world.tenant.id, Action::ApplicationCreate, &again.id.to_string());
    conflicts_on(&store.create_application(again, told).await, Unique::ApplicationName);
    assert_eq!(world.log(&store).await.len(), 1);
}

pub(crate) async fn a_secret_is_taken_once_in_the_installation(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let key = world.created(&store).await;
    let mut same = other.key();
    same.secret = key.secret.clone();
    conflicts_on(&create(&store, &other, &same).await, Unique::Secret);
    assert_eq!(store.key(other.tenant.id, same.id).await.unwrap(), None);
    assert_eq!(other.log(&store).await.len(), 1);

    let victim = other.created(&store).await;
    let (secret, told) = (key.secret.clone(), other.entry(Action::KeyRegenerate, victim.id));
    let changed = store.change_key::<()>(other.tenant.id, victim.id, move |key| {
        key.secret = secret;
        Ok(Some(told))
    });
    conflicts_on(&changed.await, Unique::Secret);
    assert_eq!(other.read(&store, victim.id).await, victim);
}

pub(crate) async fn a_replaced_secret_stays_taken(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let regenerate = |secret, told| {
        store.change_key::<()>(world.tenant.id, key.id, move |key| {
            key.secret = secret;
            Ok(Some(told))
        })
    };
    let told = || world.entry(Action::KeyRegenerate, key.id);
    regenerate(world.key().secret, told()).await.unwrap().unwrap().unwrap();

    let mut same = world.key();
    same.secret = key.secret.clone();
    conflicts_on(&create(&store, &world, &same).await, Unique::Secret);
    assert_eq!(store.key(world.tenant.id, same.id).await.unwrap(), None);
    conflicts_on(&regenerate(key.secret.clone(), told()).await, Unique::Secret);
    assert_ne!(world.read(&store, key.id).await.secret, key.secret);
}

pub(crate) async fn of_many_creations_with_one_secret_one_succeeds(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let secret = world.key().secret;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, world, mut key) = (store.clone(), world.clone(), world.key());
            key.secret = secret.clone();
            tokio::spawn(async move { create(&store, &world, &key).await })
        })
        .collect();
    let mut succeeded = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => succeeded += 1,
            refused => conflicts_on(&refused, Unique::Secret),
        }
    }
    assert_eq!(succeeded, 1);
    assert_eq!(world.log(&store).await.len(), 2);
}

/// On SQLite these share commits: all are queued before the first can be answered.
pub(crate) async fn a_failing_transaction_leaves_the_others_alone(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let taken = world.created(&store).await.secret;
    let keys: Vec<_> = (0..60)
        .map(|n| {
            let mut key = world.key();
            if n % 3 == 0 {
                key.secret = taken.clone();
            }
            key
        })
        .collect();
    let created = futures_util::future::join_all(keys.iter().map(|key| create(&store, &world, key))).await;
    let mut expected = vec![];
    for ((n, key), result) in keys.iter().enumerate().zip(created) {
        if n % 3 == 0 {
            conflicts_on(&result, Unique::Secret);
        } else {
            result.unwrap();
            expected.insert(0, key.id);
        }
    }
    let mut listed = world.listed(&store, &KeyFilter::all(at(0))).await;
    listed.pop();
    assert_eq!(listed, expected);
    assert_eq!(world.log(&store).await.len(), 2 + expected.len());
}
