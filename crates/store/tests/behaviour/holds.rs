//! Holds: where each is found, and how one goes on under another server.

use keystile_core::quota::{LeaseAsk, Origin};
use keystile_core::{BudgetPeriod, TenantId};
use keystile_store::FoundHold;

use crate::bed::Bed;
use crate::quota::{OTHER, SERVER, ask, batch, charge, hold, leased, nano, spender};
use crate::sample::{World, at};

pub(crate) async fn a_hold_is_found_where_it_is_open_or_in_the_ledger(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    leased(&store, SERVER, ask(&key, 900, at(0))).await;
    let (charged, open) = (hold(&key, 300, Origin::Gateway, at(0)), hold(&key, 100, Origin::Caller, at(0)));
    let tenant_id = world.tenant.id;
    assert_eq!(store.find_hold(tenant_id, open.id).await.unwrap(), FoundHold::Nothing { made_by: None });
    store.write_quota(SERVER, batch(vec![charge(&charged, 200)], vec![open.clone()])).await.unwrap();
    let expected = FoundHold::Open { server: SERVER, origin: Origin::Caller, runs: false };
    assert_eq!(store.find_hold(tenant_id, open.id).await.unwrap(), expected);
    let expected = FoundHold::Charged(Box::new(charge(&charged, 200).entry));
    assert_eq!(store.find_hold(tenant_id, charged.id).await.unwrap(), expected);
    let other = TenantId::from_parts(at(0), 99);
    for id in [open.id, charged.id] {
        assert_eq!(store.find_hold(other, id).await.unwrap(), FoundHold::Nothing { made_by: None });
    }
}

pub(crate) async fn one_hold_of_a_server_that_has_ended_is_taken_up_with_its_lease(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    leased(&store, OTHER, ask(&key, 500, at(0))).await;
    let (one, two) = (hold(&key, 300, Origin::Caller, at(0)), hold(&key, 100, Origin::Caller, at(0)));
    store.write_quota(OTHER, batch(vec![], vec![one.clone(), two.clone()])).await.unwrap();
    let tenant_id = world.tenant.id;
    let take = async |tenant_id, id| store.take_up_hold(SERVER, tenant_id, id).await.unwrap();
    assert_eq!(take(TenantId::from_parts(at(0), 99), one.id).await, None);
    for _ in 0..2 {
        assert_eq!(take(tenant_id, one.id).await.as_ref(), Some(&one), "also when it has it already");
    }
    let told = leased(&store, SERVER, LeaseAsk { least: nano(0), ..ask(&key, 0, at(0)) }).await;
    assert_eq!((told.own, told.others), (nano(300), nano(200)));
    let found = store.find_hold(tenant_id, two.id).await.unwrap();
    assert_eq!(found, FoundHold::Open { server: OTHER, origin: Origin::Caller, runs: false });
}
