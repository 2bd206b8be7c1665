//! Settling holds by their ids: once, with the same answer for whoever says the same again, and by the ledger where another server may have a say.

use std::time::Duration;

use keystile_core::quota::{Actual, HoldState, Origin, SettledHold};
use keystile_core::{Clock, HoldId};
use keystile_verify::{Return, SettleError, Settling};

use crate::quotas::{DOLLAR, limited, money, nano, settled, terms, with_a_dollar};
use crate::world::{World, tenant};

/// A caller of tenant 1 is given a hold of 100 of key 0.
async fn given(world: &World) -> HoldId {
    let key = world.key(0).await;
    world.verifier.reserve_for_caller(&key, &money(100), terms(Origin::Caller)).await.unwrap()
}

fn cost(nanos: i64) -> Actual {
    Actual { cost: Some(nano(nanos)), ..Actual::default() }
}

impl World {
    /// Settles a hold in tenant 1.
    fn settle(&self, id: HoldId, nanos: i64) -> Result<Settling, SettleError> {
        self.verifier.settle_hold(tenant(1), id, &cost(nanos))
    }
}

fn done(settling: Result<Settling, SettleError>) -> SettledHold {
    match settling {
        Ok(Settling::Done(settled)) => settled,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_caller_settles_its_hold_by_id_once_and_in_its_own_tenant() {
    let world = with_a_dollar();
    let id = given(&world).await;
    assert_eq!(world.verifier.settle_hold(tenant(2), id, &cost(60)), Err(SettleError::Unknown));
    let told = done(world.settle(id, 60));
    assert_eq!((told.held, told.charged, told.state), (nano(100), nano(60), HoldState::Settled));
    assert_eq!(world.settle(id, 61), Err(SettleError::Over));
    assert_eq!(world.verifier.settle_hold(tenant(2), id, &cost(60)), Err(SettleError::Unknown));
    assert_eq!(done(world.settle(id, 60)), told, "who says the same again is told the same");
    world.written().await;
    assert_eq!(world.settle(id, 60), Err(SettleError::Unknown), "the ledger tells by now");
    assert_eq!(world.charged(), 60);
}

#[tokio::test]
async fn what_became_of_a_hold_is_known_while_it_is_being_written() {
    let world = with_a_dollar();
    let id = given(&world).await;
    done(world.settle(id, 60));
    world.budgets.lose_answer(id);
    world.verifier.settle_up(Return::Idle).await.unwrap_err();
    assert_eq!(done(world.settle(id, 60)).charged, nano(60));
    assert_eq!(world.settle(id, 61), Err(SettleError::Over));
    world.written().await;
    assert_eq!((world.settle(id, 60), world.charged()), (Err(SettleError::Unknown), 60));
}

#[tokio::test]
async fn a_hold_that_nobody_settles_in_time_is_over() {
    let world = with_a_dollar();
    let id = given(&world).await;
    world.clock.turn(Duration::from_secs(60));
    world.budgets.become_so(crate::source::Mood::Failing);
    world.verifier.settle_up(Return::Idle).await.unwrap_err();
    assert_eq!(world.settle(id, 60), Err(SettleError::Over));
    let told = done(world.verifier.settle_hold(tenant(1), id, &Actual::default()));
    assert_eq!((told.charged, told.state), (nano(100), HoldState::Charged), "it comes to the same");
}

#[tokio::test]
async fn a_caller_settles_no_hold_of_the_gateway() {
    let world = with_a_dollar();
    let hold = world.hold(&money(100)).await.unwrap();
    world.written().await;
    assert_eq!(world.settle(hold.id(), 0), Err(SettleError::Unknown));
    hold.settle(settled(70, 1));
    world.written().await;
    assert_eq!(world.charged(), 70);
}

/// A world on a lease, in which key 0 may spend a dollar.
fn of_a_node() -> World {
    let world = World::of_a_node(1);
    world.change(0, |facts| limited(facts, None, Some((DOLLAR, keystile_core::BudgetPeriod::Day))));
    lease(&world);
    world
}

fn lease(world: &World) {
    world.verifier.extend_lease(world.clock.unslept_millis() + 1_000);
}

#[tokio::test]
async fn a_node_whose_lease_was_over_leaves_it_to_the_ledger_what_became_of_a_hold() {
    let world = of_a_node();
    let (before, within, after) = (given(&world).await, given(&world).await, given(&world).await);
    done(world.settle(before, 60));
    world.clock.turn(Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(world.settle(within, 60), Ok(Settling::Claimed), "it has no lease");
    }
    lease(&world);
    for id in [before, within, after] {
        assert_eq!(world.settle(id, 60), Ok(Settling::Claimed), "it had none for a while");
    }
    let later = given(&world).await;
    done(world.settle(later, 60));
    world.written().await;
    assert_eq!((world.charged(), world.budgets.ledger().len()), (240, 4));
}

#[tokio::test]
async fn a_lease_that_is_extended_in_time_leaves_holds_to_their_node() {
    let world = of_a_node();
    let id = given(&world).await;
    world.clock.turn(Duration::from_millis(999));
    lease(&world);
    assert_eq!(done(world.settle(id, 60)).charged, nano(60));
}

#[tokio::test]
async fn a_hold_that_was_taken_up_is_taken_once_and_the_ledger_tells_what_became_of_it() {
    let (one, two) = (with_a_dollar(), with_a_dollar());
    let id = given(&one).await;
    one.written().await;
    let hold = one.budgets.open_hold(id);
    two.key(0).await;
    for _ in 0..2 {
        two.verifier.adopt_hold(hold.clone());
    }
    assert_eq!(two.verifier.quota_stats().holds, 1);
    assert_eq!(two.settle(id, 60), Ok(Settling::Claimed));
    two.written().await;
    assert_eq!((two.charged(), two.verifier.quota_stats().holds), (60, 0));
}

#[tokio::test]
async fn a_charge_that_another_server_was_faster_with_leaves_nothing_leased() {
    let world = of_a_node();
    let id = given(&world).await;
    world.written().await;
    world.verifier.forget_all();
    world.budgets.charge_elsewhere(id, nano(10));
    assert_eq!(world.settle(id, 60), Ok(Settling::Claimed));
    world.verifier.settle_up(Return::All).await.unwrap();
    let period = world.budgets.period();
    assert_eq!((world.charged(), period.spent, period.leased), (10, 10, 0));
}
