//! Figures of a tenant.

use std::time::Duration;

use keystile_core::key::Revocation;
use keystile_core::overview::{Attention, Horizon, KeyFigures, KeyGroup, NearBudgets, StatusCounts};
use keystile_core::{Actor, ApiKey, BudgetPeriod, Environment, KeyKind, KeyStatus, Timestamp, TrustLevel};
use keystile_store::Store;

use crate::bed::Bed;
use crate::quota::{nano, spend, spender};
use crate::sample::{World, at};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ROTATION_DAYS: u16 = 60;

fn now() -> Timestamp {
    at(0).plus(200 * DAY)
}

fn days(count: i32) -> Timestamp {
    if count < 0 { now().minus(count.unsigned_abs() * DAY) } else { now().plus(count.unsigned_abs() * DAY) }
}

/// What the key is counted as, by the rules of the core.
fn alone(key: &ApiKey) -> KeyGroup {
    let (mut counts, horizon) = (StatusCounts::default(), Horizon::of(now(), ROTATION_DAYS));
    *counts.of(key.status(now())) = 1;
    let if_active = |applies: bool| u64::from(applies && key.status(now()) == KeyStatus::Active);
    let unused = |since| key.last_used_at.unwrap_or(key.created_at) <= since;
    let expires_by = |moment| key.expires_at.is_some_and(|end| end <= moment);
    let lately = key.expires_at.is_some_and(|end| end > horizon.ago_30_days);
    let attention = Attention {
        expiring_in_7_days: if_active(expires_by(horizon.in_7_days)),
        expiring_in_30_days: if_active(expires_by(horizon.in_30_days)),
        rotation_due: if_active(key.secret_created_at <= horizon.due),
        unused_for_30_days: if_active(unused(horizon.ago_30_days)),
        unused_for_90_days: if_active(unused(horizon.ago_90_days)),
        blocked: if_active(key.blocked.is_some()),
        expired_in_30_days: u64::from(key.status(now()) == KeyStatus::Expired && lately),
    };
    let (environment, trust_level, kind) = (key.environment, key.trust_level, key.kind.as_str());
    KeyGroup { environment, trust_level, kind, counts, attention }
}

/// Keys in every state, with ends, last uses and secrets on both sides of each border.
async fn of_every_sort(world: &World, store: &Store) -> Vec<ApiKey> {
    let kinds = [KeyKind::Ingest, KeyKind::User { issued_to_user_id: None }];
    let (mut keys, mut number) = (Vec::new(), 0_usize);
    for expires_at in [None, Some(-31), Some(-30), Some(-29), Some(0), Some(7), Some(8), Some(30), Some(31)] {
        for used in [None, Some(-91), Some(-90), Some(-89), Some(-30), Some(-29), Some(0)] {
            number += 1;
            let on = |every: usize| number.is_multiple_of(every);
            let mut key = ApiKey {
                expires_at: expires_at.map(days),
                last_used_at: used.map(days),
                environment: Environment::ALL[number % 3],
                trust_level: TrustLevel::ALL[number / 3 % 3],
                kind: kinds[number % 2].clone(),
                enabled: !on(5),
                blocked: on(4).then(|| "abuse".to_owned()),
                revoked: on(7).then(|| Revocation { at: at(1), reason: None }),
                deleted: on(11).then(|| (at(2), Actor::System)),
                ..world.key()
            };
            let used_long_ago = used.is_some_and(|day| day < -59);
            key.created_at = days(if on(2) || used_long_ago { -120 } else { -59 });
            key.secret_created_at = days(if on(3) { -60 } else { -59 });
            world.create(store, &key).await;
            keys.push(key);
        }
    }
    keys
}

pub(crate) async fn figures_are_those_of_the_keys(bed: &Bed) {
    let store = bed.store().await;
    let (world, elsewhere) = (World::founded(&store).await, World::founded(&store).await);
    elsewhere.created(&store).await;
    let keys = of_every_sort(&world, &store).await;
    let mut expected = KeyFigures::none();
    keys.iter().filter(|key| key.deleted.is_none()).for_each(|key| expected.add(&alone(key)));
    let overview = store.overview(world.tenant.id, Horizon::of(now(), ROTATION_DAYS)).await.unwrap();
    assert_eq!(overview.keys, expected);
    assert_eq!((overview.applications, overview.customers, overview.members), (1, 0, 1));
    let Attention { expired_in_30_days, expiring_in_7_days, unused_for_90_days, .. } = expected.attention;
    assert!(expired_in_30_days > 0 && expiring_in_7_days > 0 && unused_for_90_days > 0, "{expected:?}");
}

pub(crate) async fn an_empty_tenant_has_figures(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let overview = store.overview(world.tenant.id, Horizon::of(now(), ROTATION_DAYS)).await.unwrap();
    assert_eq!(overview.keys, KeyFigures::none());
    assert_eq!((overview.counted_at, overview.invitations), (now(), 0));
    assert_eq!(overview.budgets, NearBudgets::default());
}

async fn near(world: &World, store: &Store, now: Timestamp) -> NearBudgets {
    store.overview(world.tenant.id, Horizon::of(now, ROTATION_DAYS)).await.unwrap().budgets
}

pub(crate) async fn budgets_are_near_their_end_from_four_fifths_on_in_their_present_period(bed: &Bed) {
    let store = bed.store().await;
    let (world, elsewhere) = (World::founded(&store).await, World::founded(&store).await);
    let mut keys = Vec::new();
    for (spent, period) in [
        (799, BudgetPeriod::Lifetime),
        (800, BudgetPeriod::Lifetime),
        (1_000, BudgetPeriod::Day),
        (900, BudgetPeriod::Month),
    ] {
        let key = spender(&world, &store, 1_000, period).await;
        spend(&store, &key, spent, now()).await;
        keys.push(key);
    }
    let other = spender(&elsewhere, &store, 10, BudgetPeriod::Day).await;
    spend(&store, &other, 10, now()).await;
    let found = near(&world, &store, now()).await;
    let shown: Vec<_> = found.first.iter().map(|near| (near.key_id, near.spent, near.percent())).collect();
    let expected = [(2, 1_000, 100), (3, 900, 90), (1, 800, 80)];
    assert_eq!(shown, expected.map(|(place, spent, percent)| (keys[place].id, nano(spent), percent)));
    assert_eq!((found.count, &found.first[0].name), (3, &keys[2].name));
    assert_eq!((found.first[0].budget.max, found.first[0].budget.period), (nano(1_000), BudgetPeriod::Day));
    let next_year = near(&world, &store, days(365)).await;
    assert_eq!((next_year.count, next_year.first[0].key_id), (1, keys[1].id), "others began anew");
}

pub(crate) async fn of_many_budgets_near_their_end_five_are_named_by_keys_that_can_be_used(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..6 {
        let key = spender(&world, &store, 1_000, BudgetPeriod::Month).await;
        spend(&store, &key, 850, now()).await;
    }
    let key = spender(&world, &store, 1_000, BudgetPeriod::Month).await;
    spend(&store, &key, 950, now()).await;
    let follower = || ApiKey { lineage_id: key.lineage_id, limits: key.limits.clone(), ..world.key() };
    let next = follower();
    let off = ApiKey { enabled: false, ..follower() };
    world.create(&store, &next).await;
    world.create(&store, &off).await;
    let found = near(&world, &store, now()).await;
    assert_eq!((found.count, found.first.len(), found.first[0].key_id), (7, 5, next.id));
}
