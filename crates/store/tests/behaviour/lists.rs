//! Lists: pages and filters.

use keystile_core::key::{KeyCursor, KeySort, Revocation, SortOrder};
use keystile_core::{Action, Actor, ApiKey, CustomerId, Environment, KeyId, KeyKind, KeyStatus, TrustLevel};
use keystile_store::{KeyFilter, KeyPage, Page};
use serde_json::json;

use crate::bed::Bed;
use crate::sample::{World, application, at, entry, ids, object};

pub(crate) async fn pages_have_no_gaps_and_no_repeats_under_inserts(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut expected = vec![];
    for _ in 0..25 {
        expected.insert(0, world.created(&store).await.id);
    }
    let filter = KeyFilter::all(at(0));
    let (mut seen, mut after) = (vec![], None);
    loop {
        let keys = store.keys(world.tenant.id, &filter, Page { after, limit: 4 }).await.unwrap();
        assert!(keys.len() <= 4);
        seen.extend(ids(&keys));
        let Some(last) = keys.last() else { break };
        after = Some(last.id);
        world.created(&store).await;
    }
    assert_eq!(seen, expected);
}

pub(crate) async fn each_filter_finds_its_keys_only(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let other = application(world.tenant.id, "Other");
    let told = entry(world.tenant.id, Action::ApplicationCreate, &other.id.to_string());
    store.create_application(other.clone(), told).await.unwrap();
    let customer = CustomerId::from_parts(at(3), 3);
    let marked = ApiKey {
        environment: Environment::Development,
        kind: KeyKind::Ingest,
        application_id: other.id,
        customer_id: Some(customer),
        source_id: Some("checkout".into()),
        trust_level: TrustLevel::Trusted,
        enabled: false,
        blocked: Some("unpaid".into()),
        expires_at: Some(at(10_000_000)),
        name: "Marked".parse().unwrap(),
        tags: object(&json!({ "team": ["ops", "web"] })),
        secret_created_at: at(-9),
        created_at: at(-8),
        last_used_at: Some(at(-7)),
        ..world.key()
    };
    world.create(&store, &marked).await;
    let plain = world.created(&store).await;
    let all = KeyFilter::all(at(0));
    assert_eq!(world.listed(&store, &all).await, [plain.id, marked.id]);
    for filter in [
        KeyFilter { environment: Some(Environment::Development), ..all.clone() },
        KeyFilter { kind: Some("ingest".into()), ..all.clone() },
        KeyFilter { application_id: Some(other.id), ..all.clone() },
        KeyFilter { customer_id: Some(customer), ..all.clone() },
        KeyFilter { source_id: Some("checkout".into()), ..all.clone() },
        KeyFilter { trust_level: Some(TrustLevel::Trusted), ..all.clone() },
        KeyFilter { status: Some(KeyStatus::Inactive), ..all.clone() },
        KeyFilter { name_contains: Some("arke".into()), ..all.clone() },
        KeyFilter { tag: Some("team".into()), ..all.clone() },
        KeyFilter { tag: Some("team:web".into()), ..all.clone() },
        KeyFilter { rotation_due: Some((true, at(-9))), ..all.clone() },
        KeyFilter { unused_since: Some(at(-7)), ..all.clone() },
        KeyFilter { blocked: Some(true), ..all.clone() },
        KeyFilter { expires_by: Some(at(10_000_000)), ..all.clone() },
        KeyFilter { status: Some(KeyStatus::Revoked), inactive_as: KeyStatus::Revoked, ..all.clone() },
    ] {
        assert_eq!(world.listed(&store, &filter).await, [marked.id], "{filter:?}");
        let none = KeyFilter { source_id: Some("nobody".into()), ..filter };
        assert_eq!(world.listed(&store, &none).await, [], "{none:?}");
    }
}

pub(crate) async fn the_status_filter_agrees_with_the_status_of_the_key(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let now = at(50_000);
    let mut keys = vec![];
    for bits in 0..16 {
        let on = |bit: u32| bits & (1 << bit) != 0;
        for expires_at in [None, Some(at(49_999)), Some(now), Some(at(50_001))] {
            let mut key = world.key();
            key.enabled = on(0);
            key.revoked = on(1).then(|| Revocation { at: at(1), reason: None });
            key.deleted = on(2).then(|| (at(2), Actor::System));
            key.blocked = on(3).then(|| "abuse".to_owned());
            key.expires_at = expires_at;
            world.create(&store, &key).await;
            keys.insert(0, key);
        }
    }
    for status in KeyStatus::ALL {
        let all = KeyFilter { include_deleted: true, ..KeyFilter::all(now) };
        let filter = KeyFilter { status: Some(*status), ..all };
        let expected: Vec<_> =
            keys.iter().filter(|key| key.status(now) == *status).map(|key| key.id).collect();
        assert!(!expected.is_empty());
        assert_eq!(world.listed(&store, &filter).await, expected, "{status}");
    }
}

pub(crate) async fn deleted_keys_are_listed_only_when_asked_for(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut deleted = world.key();
    deleted.deleted = Some((at(1), Actor::System));
    world.create(&store, &deleted).await;
    let kept = world.created(&store).await;
    let all = KeyFilter::all(at(0));
    assert_eq!(world.listed(&store, &all).await, [kept.id]);
    let with_deleted = KeyFilter { include_deleted: true, ..all };
    assert_eq!(world.listed(&store, &with_deleted).await, [kept.id, deleted.id]);
    assert_eq!(world.read(&store, deleted.id).await, deleted);
}

pub(crate) async fn pages_of_filtered_keys_have_no_gaps_and_no_repeats(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (mut expected, due) =
        (vec![], KeyFilter { rotation_due: Some((true, at(0))), ..KeyFilter::all(at(0)) });
    for n in 0..30 {
        let tags = object(&if n % 3 == 0 { json!({ "n": n, "third": "yes" }) } else { json!({ "n": n }) });
        let key = ApiKey { tags, secret_created_at: at(-1), ..world.key() };
        world.create(&store, &key).await;
        if n % 3 == 0 {
            expected.insert(0, key.id);
        }
    }
    let filter = KeyFilter { tag: Some("third:yes".into()), ..due };
    let (mut seen, mut after) = (vec![], None);
    loop {
        let keys = store.keys(world.tenant.id, &filter, Page { after, limit: 3 }).await.unwrap();
        seen.extend(ids(&keys));
        let Some(last) = keys.last() else { break };
        after = Some(last.id);
        let meanwhile = ApiKey { tags: last.tags.clone(), secret_created_at: at(-1), ..world.key() };
        world.create(&store, &meanwhile).await;
    }
    assert_eq!(seen, expected);
    let elsewhere = World::founded(&store).await;
    assert_eq!(elsewhere.listed(&store, &filter).await, []);
}

pub(crate) async fn rotation_is_due_for_keys_that_live_only(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let now = at(100);
    let filter = |due, by| KeyFilter { rotation_due: Some((due, by)), ..KeyFilter::all(now) };
    let old = ApiKey { secret_created_at: at(10), ..world.key() };
    world.create(&store, &old).await;
    let ended: [fn(&mut ApiKey); 2] = [
        |key| key.revoked = Some(Revocation { at: at(1), reason: None }),
        |key| key.expires_at = Some(at(100)),
    ];
    for end in ended {
        let mut key = ApiKey { secret_created_at: at(10), ..world.key() };
        end(&mut key);
        world.create(&store, &key).await;
    }
    assert_eq!(world.listed(&store, &filter(true, at(10))).await, [old.id]);
    assert_eq!(world.listed(&store, &filter(true, at(9))).await, []);
    assert_eq!(world.listed(&store, &filter(false, at(10))).await.len(), 2);
    let unused = |since| KeyFilter { unused_since: Some(since), ..KeyFilter::all(now) };
    assert_eq!(world.listed(&store, &unused(old.created_at)).await.last(), Some(&old.id));
    store
        .touch_keys(vec![keystile_store::Touch {
            tenant_id: old.tenant_id,
            key_id: old.id,
            at: at(90_000),
            ip: None,
        }])
        .await
        .unwrap();
    assert!(!world.listed(&store, &unused(old.created_at)).await.contains(&old.id));
}

/// Keys with equal names, ends and last uses, and with none.
async fn of_every_place(world: &World, store: &keystile_store::Store) -> Vec<ApiKey> {
    let mut keys = Vec::new();
    for n in 0..24_i64 {
        let name = ["beta", "Alpha", "ALPHA", "straße", "Zeta", "zeta 2"][usize::try_from(n % 6).unwrap()];
        let key = ApiKey {
            name: name.parse().unwrap(),
            last_used_at: (n % 3 != 0).then(|| at(1_000 + n % 4)),
            expires_at: (n % 4 != 0).then(|| at(10_000_000 + n % 5)),
            created_at: at(-8),
            environment: if n % 6 == 5 { Environment::Staging } else { Environment::Production },
            ..world.key()
        };
        world.create(store, &key).await;
        keys.push(key);
    }
    keys
}

/// The ids in the order in which the core says that they are.
fn in_order(keys: &[ApiKey], sort: KeySort, order: SortOrder) -> Vec<KeyId> {
    let mut keys: Vec<_> = keys.iter().collect();
    let never = |moment: Option<keystile_core::Timestamp>, instead| {
        moment.map_or(instead, keystile_core::Timestamp::as_millis)
    };
    keys.sort_by_key(|key| match sort {
        KeySort::Created => (String::new(), 0, key.id),
        KeySort::Name => (key.name.as_str().to_lowercase(), 0, key.id),
        KeySort::LastUsed => (String::new(), never(key.last_used_at, 0), key.id),
        KeySort::Expires => (String::new(), never(key.expires_at, i64::MAX), key.id),
    });
    if order == SortOrder::Descending {
        keys.reverse();
    }
    keys.into_iter().map(|key| key.id).collect()
}

pub(crate) async fn sorted_pages_have_no_gaps_and_no_repeats_while_keys_are_made_and_used(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let keys = of_every_place(&world, &store).await;
    for (sort, order) in
        KeySort::ALL.iter().flat_map(|sort| SortOrder::ALL.iter().map(move |order| (*sort, *order)))
    {
        let expected = in_order(&keys, sort, order);
        let filter = KeyFilter::all(at(0));
        let (mut seen, mut after) = (vec![], None);
        loop {
            let page = KeyPage { sort, order, after, limit: 5 };
            let read = store.keys(world.tenant.id, &filter, page).await.unwrap();
            let Some(last) = read.last() else { break };
            after = Some(KeyCursor::of(last, sort));
            assert_eq!(
                KeyCursor::parse(&after.as_ref().unwrap().to_string(), sort),
                Ok(after.clone().unwrap())
            );
            seen.extend(ids(&read));
            if read.len() < 5 {
                break;
            }
            // One that stands anywhere in the order, of which the pages that were read know nothing.
            world.created(&store).await;
        }
        seen.retain(|id| expected.contains(id));
        assert_eq!(seen, expected, "{sort} {order}");
        assert_eq!(seen.len(), keys.len());
    }
    let first = KeyPage { sort: KeySort::LastUsed, order: SortOrder::Descending, after: None, limit: 1 };
    let newest = store.keys(world.tenant.id, &KeyFilter::all(at(0)), first.clone()).await.unwrap().remove(0);
    let touch =
        keystile_store::Touch { tenant_id: world.tenant.id, key_id: newest.id, at: at(90_000_000), ip: None };
    store.touch_keys(vec![touch]).await.unwrap();
    let behind = KeyPage { after: Some(KeyCursor::of(&newest, KeySort::LastUsed)), limit: 100, ..first };
    let rest = store.keys(world.tenant.id, &KeyFilter::all(at(0)), behind).await.unwrap();
    assert!(!ids(&rest).contains(&newest.id), "a key that was used meanwhile is told again");
}

pub(crate) async fn what_has_ended_does_not_expire_soon(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let now = at(100_000);
    let ending = |millis| ApiKey { expires_at: Some(at(millis)), ..world.key() };
    let (soon, late, over) = (ending(100_010), ending(100_011), ending(100_000));
    let revoked = ApiKey { revoked: Some(Revocation { at: at(1), reason: None }), ..ending(100_005) };
    for key in [&soon, &late, &over, &revoked, &world.key()] {
        world.create(&store, key).await;
    }
    let filter = KeyFilter { expires_by: Some(at(100_010)), ..KeyFilter::all(now) };
    assert_eq!(world.listed(&store, &filter).await, [soon.id]);
    assert_eq!(world.listed(&store, &KeyFilter { include_deleted: true, ..filter }).await, [soon.id]);
}

/// Goes from look to look, and says what was found, and how many of the looks ended before their page was full.
pub(crate) async fn looked_through(
    world: &World,
    store: &keystile_store::Store,
    filter: &KeyFilter,
    (sort, order, most): (KeySort, SortOrder, u32),
) -> (Vec<KeyId>, usize) {
    let (mut seen, mut parts, mut after) = (vec![], 0, None);
    loop {
        let page = KeyPage { sort, order, after, limit: 3 };
        let found = store.look_for_keys(world.tenant.id, filter, page, most).await.unwrap();
        seen.extend(ids(&found.keys));
        assert!(found.keys.len() < 3 || found.looked_to.is_none(), "a full page goes on behind its last key");
        parts += usize::from(found.looked_to.is_some());
        let last = found.keys.last().filter(|_| found.keys.len() == 3);
        after = found.looked_to.or_else(|| last.map(|key| KeyCursor::of(key, sort)));
        if after.is_none() {
            return (seen, parts);
        }
    }
}

pub(crate) async fn looks_go_through_a_list_part_by_part_without_gaps_and_repeats(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let keys = of_every_place(&world, &store).await;
    let all = KeyFilter::all(at(0));
    let rare = KeyFilter { environment: Some(Environment::Staging), ..all.clone() };
    let named = KeyFilter { name_contains: Some("zeta 2".into()), ..all.clone() };
    let ending = KeyFilter { expires_by: Some(at(10_000_003)), ..all.clone() };
    let unused = KeyFilter { unused_since: Some(at(1_002)), ..all.clone() };
    for (sort, order) in
        KeySort::ALL.iter().flat_map(|sort| SortOrder::ALL.iter().map(move |order| (*sort, *order)))
    {
        for filter in [&rare, &named, &ending, &unused] {
            let whole = KeyPage { sort, order, after: None, limit: 100 };
            let expected = ids(&store.keys(world.tenant.id, filter, whole).await.unwrap());
            assert!(!expected.is_empty() && expected.len() < keys.len());
            let looked = looked_through(&world, &store, filter, (sort, order, 5)).await;
            assert_eq!(looked.0, expected, "{sort} {order} {filter:?}");
        }
        let (found, parts) = looked_through(&world, &store, &rare, (sort, order, 5)).await;
        assert_eq!((found.len(), parts), (4, 4), "{sort} {order}: of 24 keys, 5 at a time");
        assert_eq!(
            looked_through(&world, &store, &all, (sort, order, 5)).await.1,
            0,
            "nothing is passed over"
        );
    }
}

pub(crate) async fn keys_with_a_tag_are_looked_for_within_the_bound_of_a_look(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for number in 0..24 {
        let tags = match number % 4 {
            0 => json!({ "team": "ops" }),
            1 => json!({ "team": "web", "rare": number == 13 }),
            _ => json!({ "team": "web" }),
        };
        let environment = if number % 8 == 3 { Environment::Staging } else { Environment::Production };
        let key = ApiKey { tags: object(&tags), environment, ..world.key() };
        world.create(&store, &key).await;
    }
    let all = KeyFilter::all(at(0));
    let web = KeyFilter { tag: Some("team:web".into()), ..all.clone() };
    let staging = KeyFilter { environment: Some(Environment::Staging), ..web.clone() };
    let rare = KeyFilter { tag: Some("rare:true".into()), ..all };
    for (sort, order) in
        KeySort::ALL.iter().flat_map(|sort| SortOrder::ALL.iter().map(move |order| (*sort, *order)))
    {
        let mut parts = Vec::new();
        for (filter, count) in [(&web, 18), (&staging, 3), (&rare, 1)] {
            let whole = KeyPage { sort, order, after: None, limit: 100 };
            let expected = ids(&store.keys(world.tenant.id, filter, whole).await.unwrap());
            assert_eq!(expected.len(), count);
            let (found, ended) = looked_through(&world, &store, filter, (sort, order, 5)).await;
            assert_eq!(found, expected, "{sort} {order} {filter:?}");
            parts.push(ended);
        }
        assert!(parts[1] > 0, "{sort} {order}: many keys with the tag are passed over");
        assert_eq!(parts[2], 0, "{sort} {order}: no others are looked at for a tag of few");
        let together = looked_through(&world, &store, &web, (sort, order, 18)).await;
        assert_eq!((together.0.len(), together.1), (18, 0), "no more have it than one look goes through");
    }
}

pub(crate) async fn keys_of_one_thing_are_found_without_looking_at_others(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let other = application(world.tenant.id, "Other");
    let told = entry(world.tenant.id, Action::ApplicationCreate, &other.id.to_string());
    store.create_application(other.clone(), told).await.unwrap();
    let customer = CustomerId::from_parts(at(3), 3);
    let marked = ApiKey {
        application_id: other.id,
        customer_id: Some(customer),
        source_id: Some("checkout".into()),
        blocked: Some("unpaid".into()),
        tags: object(&json!({ "team": "ops" })),
        ..world.key()
    };
    world.create(&store, &marked).await;
    let others = of_every_place(&world, &store).await;
    let all = KeyFilter::all(at(0));
    let found = async |filter: &KeyFilter, sort| {
        let page = KeyPage { sort, order: SortOrder::Descending, after: None, limit: 3 };
        let found = store.look_for_keys(world.tenant.id, filter, page, 5).await.unwrap();
        (ids(&found.keys), found.looked_to.is_some())
    };
    for filter in [
        KeyFilter { customer_id: Some(customer), ..all.clone() },
        KeyFilter { source_id: Some("checkout".into()), ..all.clone() },
        KeyFilter { blocked: Some(true), ..all.clone() },
        KeyFilter { application_id: Some(other.id), ..all.clone() },
        KeyFilter { tag: Some("team:ops".into()), ..all.clone() },
    ] {
        assert_eq!(found(&filter, KeySort::Created).await, (vec![marked.id], false), "{filter:?}");
        let none = KeyFilter { name_contains: Some("nobody".into()), ..filter };
        assert_eq!(found(&none, KeySort::Created).await, (vec![], false), "{none:?}");
    }
    let of_kind = KeyFilter { kind: Some("ingest".into()), ..all };
    assert_eq!(found(&of_kind, KeySort::Created).await, (vec![], true), "of {} others", others.len());
}
