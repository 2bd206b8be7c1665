//! A key comes back as it went in.

use keystile_core::key::ModelPattern;
use keystile_core::{Action, KeyKind};
use keystile_store::StoreError;
use serde_json::json;

use crate::bed::Bed;
use crate::sample::{World, object};

pub(crate) async fn every_field_of_a_key_comes_back(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for key in [world.full_key(), world.key()] {
        world.create(&store, &key).await;
        assert_eq!(world.read(&store, key.id).await, key);
    }
}

pub(crate) async fn every_kind_of_key_comes_back(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let models: Vec<ModelPattern> = ["gpt-4o*", "*"].map(|text| text.parse().unwrap()).into();
    for kind in [
        KeyKind::Service { issued_to_service: Some("checkout".into()) },
        KeyKind::User { issued_to_user_id: Some("user-7".into()) },
        KeyKind::Ingest,
        KeyKind::VirtualLlm { allowed_models: models },
        KeyKind::VirtualLlm { allowed_models: vec![] },
    ] {
        let mut key = world.key();
        key.kind = kind;
        world.create(&store, &key).await;
        assert_eq!(world.read(&store, key.id).await, key);
    }
}

pub(crate) async fn texts_are_stored_as_they_are(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for text in [
        "'; DROP TABLE api_keys; --",
        "\" $1 ?1 {id} %_\\ :x @y",
        "Ünïcödé 键 🔑 \u{feff}x\u{301}",
        "\\x00 E'\\n'",
    ] {
        let mut key = world.key();
        key.name = text.parse().unwrap();
        key.source_id = Some(text.to_owned());
        key.blocked = Some(format!("{text}\n\t"));
        key.metadata = object(&json!({text: text, "zero": "\u{0}"}));
        world.create(&store, &key).await;
        assert_eq!(world.read(&store, key.id).await, key);
    }
}

pub(crate) async fn a_text_with_a_zero_character_is_refused(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut key = world.key();
    key.source_id = Some("a\u{0}b".to_owned());
    let refused = store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(store.key(world.tenant.id, key.id).await.unwrap(), None);
}

pub(crate) async fn a_restart_keeps_everything(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.full_key();
    world.create(&store, &key).await;
    let log = world.log(&store).await;
    store.close().await;

    let store = bed.open().await;
    store.check_schema().await.unwrap();
    assert_eq!(world.read(&store, key.id).await, key);
    assert_eq!(world.log(&store).await, log);
    let (person, membership) = store.member(world.tenant.id, world.person.id).await.unwrap().unwrap();
    assert_eq!((person == world.person, membership), (true, world.owner));
}

pub(crate) async fn a_closed_store_is_unavailable(bed: &Bed) {
    let store = bed.store().await;
    store.ready().await.unwrap();
    let world = World::founded(&store).await;
    let key = world.key();
    store.close().await;
    store.close().await;
    assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
    let refused = store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
}
