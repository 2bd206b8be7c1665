//! Archiving what keys belong to, while they are made.

use std::sync::mpsc;
use std::time::Duration;

use keystile_core::{Action, ApiKey};
use keystile_store::{Archived, Import, Store, StoreError};

use crate::bed::Bed;
use crate::sample::{World, at, entry};

async fn create(world: &World, store: &Store, key: &ApiKey) -> Result<(), StoreError> {
    store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)).await
}

/// A key for a customer that is there.
async fn restricted(world: &World, store: &Store) -> ApiKey {
    let customer = world.customer("Initech");
    let told = entry(world.tenant.id, Action::CustomerCreate, &customer.id.to_string());
    store.create_customer(customer.clone(), told).await.unwrap();
    ApiKey { customer_id: Some(customer.id), ..world.key() }
}

/// Archives what `key` belongs to; `meanwhile` is called when the row is locked and before it is changed.
async fn archive(world: &World, store: &Store, key: &ApiKey, meanwhile: impl FnOnce() + Send + 'static) {
    let tenant = world.tenant.id;
    if let Some(id) = key.customer_id {
        let told = entry(tenant, Action::CustomerUpdate, &id.to_string());
        let change = move |customer: &mut keystile_core::Customer| {
            meanwhile();
            customer.archived_at = Some(at(9));
            Ok::<_, ()>(Some(told))
        };
        store.change_customer(tenant, id, change).await.unwrap().unwrap().unwrap();
    } else {
        let told = entry(tenant, Action::ApplicationUpdate, &key.application_id.to_string());
        let change = move |application: &mut keystile_core::Application| {
            meanwhile();
            application.archived_at = Some(at(9));
            Ok::<_, ()>(Some(told))
        };
        store.change_application(tenant, key.application_id, change).await.unwrap().unwrap().unwrap();
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: &Result<T, StoreError>, what: Archived) {
    assert!(matches!(outcome, Err(StoreError::Archived(found)) if *found == what), "{outcome:?}");
}

pub(crate) async fn a_key_that_is_made_while_its_place_is_archived_is_refused(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let both = [
        (restricted(&world, &store).await, Archived::Customer),
        (ApiKey { customer_id: None, ..world.key() }, Archived::Application),
    ];
    for (key, what) in both {
        let (locked, is_locked) = tokio::sync::oneshot::channel();
        let (done, is_done) = mpsc::channel();
        let (its_store, its_world, its_key) = (store.clone(), world.clone(), key.clone());
        let creation = tokio::spawn(async move {
            is_locked.await.unwrap();
            let made = create(&its_world, &its_store, &its_key).await;
            let _nobody_waits = done.send(());
            made
        });
        let meanwhile = move || {
            locked.send(()).unwrap();
            assert!(is_done.recv_timeout(Duration::from_millis(300)).is_err(), "it did not wait");
        };
        archive(&world, &store, &key, meanwhile).await;
        refused(&creation.await.unwrap(), what);
        assert_eq!(store.key(world.tenant.id, key.id).await.unwrap(), None);
    }
}

pub(crate) async fn what_is_archived_gets_no_keys_and_keeps_its_own(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (own, other) = (restricted(&world, &store).await, restricted(&world, &store).await);
    for key in [&own, &other] {
        create(&world, &store, key).await.unwrap();
    }
    archive(&world, &store, &own, || {}).await;
    let change = |id, customer_id| {
        let told = world.entry(Action::KeyUpdate, id);
        store.change_key::<()>(world.tenant.id, id, move |key| {
            (key.customer_id, key.enabled) = (customer_id, !key.enabled);
            Ok(Some(told))
        })
    };
    refused(&change(other.id, own.customer_id).await, Archived::Customer);
    assert_eq!(world.read(&store, other.id).await, other);
    let changed = change(own.id, own.customer_id).await.unwrap().unwrap().unwrap();
    assert_eq!(changed.after.customer_id, own.customer_id);
    archive(&world, &store, &ApiKey { customer_id: None, ..world.key() }, || {}).await;
    let key = ApiKey { customer_id: None, ..world.key() };
    let (digest, told) = (key.secret.digest, world.entry(Action::KeyImport, key.id));
    let import = Import { keys: vec![key], audit: vec![told], told: () };
    let imported = store.import_keys::<_, ()>(world.tenant.id, vec![digest], |_| Ok(import)).await;
    refused(&imported, Archived::Application);
}
