//! Budgets of which more was spent, for webhooks that are told of it.

use std::time::Duration;

use keystile_core::{ApiKey, BudgetPeriod, KeyId};
use keystile_store::{BudgetLook, ChangedBudget, DeliveryFilter, LookedBudget, Store};

use crate::bed::Bed;
use crate::quota::{nano, spend, spender};
use crate::sample::{World, at};
use crate::webhooks::{delivery, listed, made};

/// The only budget that is to be looked at.
async fn changed(world: &World, store: &Store) -> ChangedBudget {
    let mut changed = store.changed_budgets(world.tenant.id, None, at(0)).await.unwrap();
    assert_eq!((changed.budgets.len(), changed.next), (1, None));
    changed.budgets.remove(0)
}

/// What was spent when it was looked at until now, and is.
fn amounts(look: BudgetLook) -> (i64, i64) {
    (look.looked.as_nanos(), look.spent.as_nanos())
}

pub(crate) async fn a_budget_is_looked_at_after_a_charge_and_told_of_once(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    spend(&store, &key, 600, at(0)).await;
    let next = async || store.tenant_with_changed_budgets(None).await.unwrap();
    assert_eq!(next().await, None, "nobody wants to be told");
    let to = made(&world, &store).await;
    assert_eq!(next().await, Some(world.tenant.id));
    let ChangedBudget { look, key: found } = changed(&world, &store).await;
    assert_eq!((look.lineage_id, amounts(look)), (key.lineage_id, (0, 600)));
    assert_eq!(found.map(|found| found.id), Some(key.id));
    for _ in 0..2 {
        let looked = LookedBudget { look, deliveries: vec![delivery(&to, key.id)] };
        store.note_looks(world.tenant.id, at(1_000), vec![looked]).await.unwrap();
    }
    assert_eq!(listed(&world, &store, &DeliveryFilter::default()).await.len(), 1, "it is told once");
    assert_eq!(next().await, None);
    spend(&store, &key, 300, at(0)).await;
    assert_eq!(amounts(changed(&world, &store).await.look), (600, 900));
}

pub(crate) async fn what_is_charged_during_a_look_is_looked_at_again(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Lifetime).await;
    made(&world, &store).await;
    spend(&store, &key, 600, at(0)).await;
    let look = changed(&world, &store).await.look;
    spend(&store, &key, 200, at(0)).await;
    let looked = LookedBudget { look, deliveries: Vec::new() };
    store.note_looks(world.tenant.id, at(1_000), vec![looked]).await.unwrap();
    assert_eq!(amounts(changed(&world, &store).await.look), (600, 800));
}

pub(crate) async fn of_a_lineage_the_last_key_that_can_be_used_is_told_of(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    let next = || ApiKey { lineage_id: key.lineage_id, limits: key.limits.clone(), ..world.key() };
    let (used, mut monthly) = (next(), next());
    monthly.limits.budget_period = BudgetPeriod::Month;
    let off = ApiKey { enabled: false, ..next() };
    let over = ApiKey { expires_at: Some(at(0)), ..next() };
    for key in [&used, &monthly, &off, &over] {
        world.create(&store, key).await;
    }
    made(&world, &store).await;
    spend(&store, &key, 1_000, at(0)).await;
    let found = changed(&world, &store).await.key;
    assert_eq!(found.map(|found| (found.id, found.limits.max_budget)), Some((used.id, Some(nano(1_000)))));
    let tomorrow = at(0).plus(Duration::from_secs(24 * 60 * 60));
    let past = store.changed_budgets(world.tenant.id, None, tomorrow).await.unwrap();
    assert_eq!(past.budgets[0].key, None, "the period is over");
}

pub(crate) async fn many_budgets_are_looked_at_a_part_at_a_time(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    made(&world, &store).await;
    store.close().await;
    let tenant_id = world.tenant.id;
    let row = |number| format!("('{}', 'day', 1, 2, '{tenant_id}', 5, 0, 1)", KeyId::from_u128(number));
    let rows: Vec<_> = (1..=501).map(row).collect();
    bed.run_sql(&format!(
        "INSERT INTO budgets
            (lineage_id, period, first_day, end_day, tenant_id, spent_nano, leased_nano, is_changed)
         VALUES {}",
        rows.join(", ")
    ));
    let store = bed.open().await;
    let first = store.changed_budgets(tenant_id, None, at(0)).await.unwrap();
    assert_eq!((first.budgets.len(), first.next), (500, Some(KeyId::from_u128(500))));
    let rest = store.changed_budgets(tenant_id, first.next, at(0)).await.unwrap();
    assert_eq!((rest.budgets.len(), rest.next), (1, None));
}
