//! Searches in the names of keys.

use keystile_core::key::{KeySort, SortOrder};
use keystile_core::{Action, Actor, ApiKey, Environment, KeyId};
use keystile_store::{KeyFilter, KeyPage};

use crate::bed::Bed;
use crate::lists::looked_through;
use crate::sample::{World, at, ids};

async fn named(world: &World, store: &keystile_store::Store, name: &str) -> KeyId {
    let mut key = world.key();
    key.name = name.parse().unwrap();
    world.create(store, &key).await;
    key.id
}

async fn search(world: &World, store: &keystile_store::Store, part: &str) -> Vec<KeyId> {
    let filter = KeyFilter { name_contains: Some(part.into()), ..KeyFilter::all(at(0)) };
    world.listed(store, &filter).await
}

pub(crate) async fn wildcards_in_a_name_search_are_plain_characters(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let percent = named(&world, &store, "50% off").await;
    let underscore = named(&world, &store, "50_off").await;
    let backslash = named(&world, &store, r"50\off").await;
    let plain = named(&world, &store, "50x off").await;
    let quote = named(&world, &store, "O'Brien").await;
    assert_eq!(search(&world, &store, "50%").await, [percent]);
    assert_eq!(search(&world, &store, "0_o").await, [underscore]);
    assert_eq!(search(&world, &store, r"\").await, [backslash]);
    assert_eq!(search(&world, &store, "o'b").await, [quote]);
    assert_eq!(search(&world, &store, "50").await, [plain, backslash, underscore, percent]);
    assert_eq!(search(&world, &store, "").await.len(), 5);
}

pub(crate) async fn a_name_is_found_in_any_case(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = named(&world, &store, "Größe ÉTÉ").await;
    for part in ["GRÖSSE", "x"] {
        assert_eq!(search(&world, &store, part).await, []);
    }
    for part in ["GRÖ", "été", "ßE"] {
        assert_eq!(search(&world, &store, part).await, [key], "{part}");
    }
}

/// What a search finds: as a whole list and in a look, by when keys were made and by their names.
async fn found_by_name(world: &World, store: &keystile_store::Store, part: &str) -> Vec<KeyId> {
    let filter = KeyFilter { name_contains: Some(part.into()), ..KeyFilter::all(at(0)) };
    let whole = world.listed(store, &filter).await;
    for sort in [KeySort::Created, KeySort::Name] {
        let page = KeyPage { sort, order: SortOrder::Descending, after: None, limit: 100 };
        let mut looked = ids(&store.look_for_keys(world.tenant.id, &filter, page, 100).await.unwrap().keys);
        looked.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(looked, whole, "{part} by {sort}");
    }
    whole
}

pub(crate) async fn keys_are_found_by_the_names_that_they_have_now(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = named(&world, &store, "Checkout").await;
    let other = named(&world, &store, "Checkpoint").await;
    assert_eq!(found_by_name(&world, &store, "check").await, [other, key]);
    let change = async |action, change: fn(&mut ApiKey)| {
        let entry = world.entry(action, key);
        let changed = store.change_key::<()>(world.tenant.id, key, move |key| {
            change(key);
            Ok(Some(entry))
        });
        changed.await.unwrap().unwrap().unwrap();
    };
    change(Action::KeyUpdate, |key| key.name = "Billing".parse().unwrap()).await;
    assert_eq!(found_by_name(&world, &store, "check").await, [other]);
    assert_eq!(found_by_name(&world, &store, "bill").await, [key]);
    change(Action::KeyDelete, |key| key.deleted = Some((at(9), Actor::System))).await;
    assert_eq!(found_by_name(&world, &store, "bill").await, []);
    let filter =
        KeyFilter { name_contains: Some("bill".into()), include_deleted: true, ..KeyFilter::all(at(0)) };
    assert_eq!(world.listed(&store, &filter).await, [key]);
}

pub(crate) async fn a_search_for_more_than_names_ends_where_it_has_looked_up_enough_keys(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut expected = vec![];
    for number in 0..24 {
        let environment = if number % 8 == 3 { Environment::Staging } else { Environment::Production };
        let name = format!("{} {number}", if number % 2 == 1 { "Odd" } else { "Even" }).parse().unwrap();
        let key = ApiKey { name, environment, ..world.key() };
        world.create(&store, &key).await;
        if environment == Environment::Staging {
            expected.push(key.id);
        }
    }
    let filter = KeyFilter {
        name_contains: Some("odd".into()),
        environment: Some(Environment::Staging),
        ..KeyFilter::all(at(0))
    };
    for (sort, order) in [KeySort::Created, KeySort::Name]
        .into_iter()
        .flat_map(|sort| SortOrder::ALL.iter().map(move |order| (sort, *order)))
    {
        let (mut found, parts) = looked_through(&world, &store, &filter, (sort, order, 6)).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{sort} {order}");
        assert!(
            parts > 0,
            "{sort} {order}: twelve keys have such a name, of which three are looked up at a time"
        );
    }
}
