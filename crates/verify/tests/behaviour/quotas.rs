//! Tokens and money: what is held, what is charged, and what becomes of it when the authority is slow or away.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::key::KeyStatus;
use keystile_core::llm::Consumption;
use keystile_core::quota::{Amount, Basis, Need, Origin};
use keystile_core::{Ask, Budget, BudgetPeriod, Code, KeyFacts, LineageLimits, NanoUsd, Rates, Refusal};
use keystile_verify::{CachedKey, Hold, LEASE_TIMEOUT, Return, Settled, Terms};
use tokio::task::JoinSet;

use crate::source::Mood;
use crate::world::{World, digest};

pub(crate) const DOLLAR: i64 = 1_000_000_000;

pub(crate) fn nano(nanos: i64) -> NanoUsd {
    NanoUsd::from_nanos(nanos)
}

pub(crate) fn limited(facts: &mut KeyFacts, tokens: Option<u64>, budget: Option<(i64, BudgetPeriod)>) {
    let budget = budget.map(|(max, period)| Budget { max: nano(max), period });
    facts.limits = Some(LineageLimits { lineage_id: facts.id, rates: Rates::NONE, tokens, budget });
}

/// A world in which key 0 may spend a dollar a day.
pub(crate) fn with_a_dollar() -> World {
    let world = World::with_keys(2);
    world.change(0, |facts| limited(facts, None, Some((DOLLAR, BudgetPeriod::Day))));
    world
}

pub(crate) fn money(nanos: i64) -> Need {
    Need::of(Amount { tokens: 0, picos: u128::try_from(nanos).unwrap() * 1_000 })
}

fn tokens(tokens: u64) -> Need {
    Need::of(Amount { tokens, picos: 0 })
}

pub(crate) fn terms(origin: Origin) -> Terms {
    Terms { deadline: Duration::from_secs(60), origin, model: "gpt-4o".into(), request_id: "r".into() }
}

pub(crate) fn settled(nanos: i64, used: u64) -> Settled {
    Settled {
        used: Consumption { output: used, ..Consumption::default() },
        cost: nano(nanos),
        basis: Basis::Upstream,
        model: "gpt-4o".into(),
        provider_id: None,
        price_version: Some(1),
    }
}

impl World {
    pub(crate) async fn key(&self, number: usize) -> Arc<CachedKey> {
        self.verify(number).await.key.unwrap()
    }

    pub(crate) async fn hold(&self, need: &Need) -> Result<Hold, Refusal> {
        let key = self.key(0).await;
        self.verifier.reserve(&key, need, terms(Origin::Gateway)).await
    }

    pub(crate) async fn written(&self) {
        self.verifier.settle_up(Return::Idle).await.unwrap();
    }

    pub(crate) fn charged(&self) -> i64 {
        self.budgets.ledger().iter().map(|entry| entry.cost.as_nanos()).sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_holds_at_once_never_exceed_a_dollar() {
    let world = with_a_dollar();
    let key = world.key(0).await;
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let (verifier, key) = (Arc::clone(&world.verifier), Arc::clone(&key));
        calls.spawn(async move { verifier.reserve(&key, &money(DOLLAR / 70), terms(Origin::Gateway)).await });
    }
    let outcomes = calls.join_all().await;
    let (held, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(held.len(), 70);
    assert!(
        refused.iter().all(|refused| refused.as_ref().is_err_and(|why| why.code() == Code::BudgetExhausted))
    );
    assert!(world.budgets.leases() < 200, "who waits is served together: {}", world.budgets.leases());
    for (place, hold) in held.into_iter().enumerate() {
        match place % 3 {
            0 => hold.unwrap().settle(settled(DOLLAR / 70, 1)),
            1 => hold.unwrap().settle(settled(DOLLAR / 140, 1)),
            _ => drop(hold),
        }
    }
    world.written().await;
    assert!(world.charged() <= DOLLAR, "{}", world.charged());
    assert_eq!(world.budgets.period().spent, world.charged());
    assert_eq!(world.budgets.ledger().len(), 70);
}

#[tokio::test]
async fn holds_are_settled_in_any_order_and_what_is_left_is_held_again_without_asking() {
    let world = with_a_dollar();
    let first = world.hold(&money(DOLLAR / 2)).await.unwrap();
    let second = world.hold(&money(DOLLAR / 2)).await.unwrap();
    let refusal = world.hold(&money(1)).await.unwrap_err();
    let Refusal::BudgetExhausted(left) = refusal else { panic!("it is spent: {refusal:?}") };
    assert_eq!((left.max, left.spent, left.held), (nano(DOLLAR), nano(0), nano(DOLLAR)));
    let asked = world.budgets.leases();
    second.settle(settled(DOLLAR / 10, 3));
    let third = world.hold(&money(4 * DOLLAR / 10)).await.unwrap();
    first.release();
    third.settle(settled(0, 0));
    assert_eq!(world.budgets.leases(), asked);
    let room = world.verifier.room(&world.key(0).await).await.unwrap().budget.unwrap();
    assert_eq!((room.spent, room.held, room.remaining), (nano(DOLLAR / 10), nano(0), nano(9 * DOLLAR / 10)));
    world.written().await;
    assert_eq!(world.budgets.ledger().len(), 2, "what was given back has no row");
}

#[tokio::test]
async fn what_was_used_beyond_a_hold_is_charged_and_bars_the_next_request() {
    let world = with_a_dollar();
    let hold = world.hold(&money(DOLLAR)).await.unwrap();
    hold.settle(settled(DOLLAR + 5, 9));
    let refused = world.hold(&money(1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::BudgetExhausted);
    world.written().await;
    assert_eq!((world.charged(), world.budgets.period().leased), (DOLLAR + 5, 0));
    world.clock.turn(Duration::from_secs(2));
    assert_eq!(world.hold(&money(1)).await.unwrap_err().code(), Code::BudgetExhausted);
}

#[tokio::test]
async fn a_dropped_hold_and_one_past_its_deadline_are_charged_in_full() {
    let world = with_a_dollar();
    drop(world.hold(&money(10)).await.unwrap());
    let late = world.hold(&money(20)).await.unwrap();
    world.clock.turn(Duration::from_secs(59));
    world.written().await;
    assert_eq!((world.charged(), world.budgets.open()), (10, vec![late.id()]), "it is written as open");
    world.clock.turn(Duration::from_secs(1));
    world.written().await;
    let ledger = world.budgets.ledger();
    assert_eq!((world.charged(), ledger[1].basis), (30, Some(Basis::Hold)));
    assert!(world.budgets.open().is_empty());
    late.settle(settled(1, 1));
    world.written().await;
    assert_eq!(world.charged(), 30, "who comes late changes nothing");
    assert_eq!(world.verifier.quota_stats().overdue, 1);
}

#[tokio::test]
async fn a_hold_is_charged_to_the_day_on_which_it_was_opened() {
    let world = with_a_dollar();
    world.clock.turn(Duration::from_secs(14 * 3_600 + 29 * 60 + 59));
    let hold = world.hold(&money(DOLLAR)).await.unwrap();
    assert_eq!(world.hold(&money(1)).await.unwrap_err().code(), Code::BudgetExhausted);
    world.clock.turn(Duration::from_secs(1));
    let next = world.hold(&money(DOLLAR)).await.unwrap();
    hold.settle(settled(7, 1));
    next.settle(settled(9, 1));
    world.written().await;
    let periods = world.budgets.periods();
    let spent: Vec<_> = periods.iter().map(|(time, period)| (time.as_str(), period.spent)).collect();
    assert_eq!(spent, [("day 2026-01-31", 7), ("day 2026-02-01", 9)]);
    assert_eq!(periods[0].1.leased, 0, "what is left of a day that is over is given back");
}

#[tokio::test]
async fn while_the_authority_is_away_a_lease_is_used_and_no_more() {
    let world = with_a_dollar();
    let first = world.hold(&money(100)).await.unwrap();
    world.budgets.become_so(Mood::Failing);
    first.settle(settled(40, 1));
    world.hold(&money(60)).await.unwrap().settle(settled(60, 1));
    assert_eq!(world.hold(&money(1)).await.unwrap_err(), Refusal::Plain(Code::EnforcementUnavailable));
    world.verifier.settle_up(Return::Idle).await.unwrap_err();
    assert_eq!((world.charged(), world.verifier.quota_stats().flush_failures), (0, 1));
    world.budgets.become_so(Mood::Well);
    world.written().await;
    assert_eq!((world.charged(), world.budgets.period().leased), (100, 0));
    world.hold(&money(1)).await.unwrap().release();
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_hangs_is_waited_for_a_bounded_time_and_heard_of_nothing() {
    let world = with_a_dollar();
    let key = world.key(0).await;
    world.budgets.become_so(Mood::Hanging);
    let began = tokio::time::Instant::now();
    let refused = world.verifier.reserve(&key, &money(1), terms(Origin::Gateway)).await.unwrap_err();
    assert_eq!(refused, Refusal::Plain(Code::EnforcementUnavailable));
    assert!(began.elapsed() <= LEASE_TIMEOUT + Duration::from_millis(10));
}

#[tokio::test]
async fn a_lease_that_nobody_heard_of_is_corrected() {
    let world = with_a_dollar();
    world.hold(&money(5)).await.unwrap().settle(settled(5, 1));
    world.budgets.become_so(Mood::Panicking);
    assert_eq!(world.hold(&money(7)).await.unwrap_err(), Refusal::Plain(Code::EnforcementUnavailable));
    world.budgets.become_so(Mood::Well);
    world.written().await;
    assert_eq!((world.budgets.period().spent, world.budgets.period().leased), (5, 0));
}

#[tokio::test]
async fn an_idle_lease_is_given_back_and_all_of_it_at_the_end() {
    let world = with_a_dollar();
    let hold = world.hold(&money(500)).await.unwrap();
    hold.settle(settled(100, 1));
    world.written().await;
    assert_eq!(world.budgets.period().leased, 400);
    world.clock.turn(Duration::from_secs(10));
    world.written().await;
    assert_eq!((world.budgets.period().leased, world.verifier.quota_stats().accounts), (0, 0));
    let open = world.hold(&money(30)).await.unwrap();
    world.hold(&money(70)).await.unwrap().release();
    world.verifier.settle_up(Return::All).await.unwrap();
    assert_eq!(world.budgets.period().leased, 30, "what is held stays leased");
    open.release();
}

#[tokio::test]
async fn a_lowered_budget_counts_what_is_spent_and_held_and_no_more_than_that_is_used() {
    let world = with_a_dollar();
    let open = world.hold(&money(DOLLAR / 2)).await.unwrap();
    world.hold(&money(DOLLAR / 2)).await.unwrap().settle(settled(DOLLAR / 10, 1));
    world.change(0, |facts| limited(facts, None, Some((DOLLAR / 2, BudgetPeriod::Day))));
    assert_eq!(world.hold(&money(1)).await.unwrap_err().code(), Code::BudgetExhausted);
    open.settle(settled(0, 1));
    world.hold(&money(4 * DOLLAR / 10)).await.unwrap().release();
    assert_eq!(world.hold(&money(4 * DOLLAR / 10 + 1)).await.unwrap_err().code(), Code::BudgetExhausted);
}

#[tokio::test]
async fn a_budget_that_is_set_counts_what_requests_under_way_may_cost() {
    let world = World::with_keys(1);
    world.change(0, |facts| limited(facts, Some(1_000), None));
    let (open, done) = (world.hold(&money(600)).await.unwrap(), world.hold(&money(100)).await.unwrap());
    done.settle(settled(50, 1));
    world.change(0, |facts| limited(facts, Some(1_000), Some((1_000, BudgetPeriod::Day))));
    assert_eq!(world.hold(&money(351)).await.unwrap_err().code(), Code::BudgetExhausted);
    world.hold(&money(350)).await.unwrap().release();
    open.settle(settled(200, 1));
    world.written().await;
    assert_eq!(world.charged(), 250);
}

#[tokio::test]
async fn another_period_counts_what_is_held_under_the_one_before() {
    let world = with_a_dollar();
    let open = world.hold(&money(DOLLAR / 2)).await.unwrap();
    world.hold(&money(DOLLAR / 4)).await.unwrap().release();
    world.change(0, |facts| limited(facts, None, Some((DOLLAR, BudgetPeriod::Month))));
    assert_eq!(world.hold(&money(DOLLAR / 2 + 1)).await.unwrap_err().code(), Code::BudgetExhausted);
    world.hold(&money(DOLLAR / 2)).await.unwrap().release();
    open.release();
}

#[tokio::test]
async fn keys_of_a_lineage_share_its_budget() {
    let world = with_a_dollar();
    let first = world.key(0).await.id();
    world.change(1, |facts| {
        limited(facts, None, Some((DOLLAR, BudgetPeriod::Day)));
        facts.limits.as_mut().unwrap().lineage_id = first;
    });
    let (old, new) = (world.key(0).await, world.key(1).await);
    let reserve = async |key: &Arc<CachedKey>, nanos| {
        world.verifier.reserve(key, &money(nanos), terms(Origin::Gateway)).await
    };
    let held = reserve(&old, 6 * DOLLAR / 10).await.unwrap();
    assert_eq!(reserve(&new, 5 * DOLLAR / 10).await.unwrap_err().code(), Code::BudgetExhausted);
    held.release();
    reserve(&new, 5 * DOLLAR / 10).await.unwrap().release();
}

#[tokio::test]
async fn a_first_request_is_cut_to_a_low_limit_on_tokens_and_others_wait() {
    let world = World::with_keys(1);
    world.change(0, |facts| limited(facts, Some(100), None));
    let each = Amount { tokens: 1, picos: 0 };
    let need = Need { fixed: Amount { tokens: 40, picos: 0 }, each, least: 200, most: 4_000 };
    let first = world.hold(&need).await.unwrap();
    assert_eq!(first.units(), 60);
    let Refusal::TokensLimited(exceeded) = world.hold(&tokens(50)).await.unwrap_err() else {
        panic!("all of it is held")
    };
    assert_eq!((exceeded.limit, exceeded.used, exceeded.wait_millis), (100, 100, Some(30_000)));
    let Refusal::TokensLimited(never) = world.hold(&tokens(101)).await.unwrap_err() else {
        panic!("it is too large")
    };
    assert_eq!(never.wait_millis, None);
    first.settle(settled(0, 45));
    world.hold(&tokens(50)).await.unwrap().release();
    let room = world.verifier.room(&world.key(0).await).await.unwrap().tokens.unwrap();
    assert_eq!((room.limit, room.remaining), (100, 55));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_take_no_more_than_the_tokens_of_a_minute() {
    let world = World::with_keys(1);
    world.change(0, |facts| limited(facts, Some(100), None));
    let key = world.key(0).await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (verifier, key) = (Arc::clone(&world.verifier), Arc::clone(&key));
        calls.spawn(async move { verifier.reserve(&key, &tokens(7), terms(Origin::Gateway)).await });
    }
    let held: Vec<_> = calls.join_all().await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(held.len(), 14);
    held.into_iter().for_each(Hold::release);
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let world = World::with_keys(1);
    world.change(0, |facts| limited(facts, Some(100), None));
    drop(world.hold(&tokens(90)).await.unwrap());
    world.key(0).await;
    let kept = world.verifier.limits_to_keep(true);
    let after = World::with_keys(1);
    after.change(0, |facts| limited(facts, Some(100), None));
    for owner in &kept {
        after.verifier.restore_limits(owner.owner, &owner.used, 6_000);
    }
    assert_eq!(after.hold(&tokens(21)).await.unwrap_err().code(), Code::TokensLimited);
    after.hold(&tokens(20)).await.unwrap().release();
}

#[tokio::test]
async fn keys_without_limits_are_charged_all_the_same() {
    let world = World::with_keys(1);
    let hold = world.hold(&money(5)).await.unwrap();
    hold.settle(settled(3, 1));
    world.written().await;
    let ledger = world.budgets.ledger();
    assert_eq!((ledger.len(), ledger[0].cost, world.budgets.leases()), (1, nano(3), 0));
}

#[tokio::test]
async fn a_long_request_is_decided_about_anew_from_memory() {
    let world = with_a_dollar();
    world.key(0).await;
    let stands = || world.verifier.still_stands(&digest(0), &Ask::ANYTHING);
    assert_eq!(stands(), Some(Ok(())));
    world.revoke(0);
    assert_eq!(stands(), None, "its facts have to be read");
    assert_eq!(world.code(0).await, Code::KeyRevoked);
    assert_eq!(stands(), Some(Err(Refusal::Plain(Code::KeyRevoked))));
    world.change(0, |facts| facts.standing = KeyStatus::Active);
}

#[tokio::test]
async fn what_is_given_back_pays_the_debt_of_another_request_first() {
    let world = with_a_dollar();
    let dear = world.hold(&money(6 * DOLLAR / 10)).await.unwrap();
    let other = world.hold(&money(4 * DOLLAR / 10)).await.unwrap();
    dear.settle(settled(3 * DOLLAR / 4, 1));
    other.release();
    assert_eq!(world.hold(&money(DOLLAR / 4 + 1)).await.unwrap_err().code(), Code::BudgetExhausted);
    world.hold(&money(DOLLAR / 4)).await.unwrap().settle(settled(DOLLAR / 4, 1));
    world.written().await;
    assert_eq!((world.charged(), world.budgets.period().spent), (DOLLAR, DOLLAR));
}

#[tokio::test]
async fn no_upstream_says_more_than_can_be_summed_up() {
    let world = World::with_keys(1);
    for hold in [world.hold(&money(5)).await.unwrap(), world.hold(&money(5)).await.unwrap()] {
        hold.settle(settled(i64::MAX, u64::MAX));
    }
    world.written().await;
    let charged = world.budgets.ledger().pop().unwrap();
    assert_eq!((charged.cost, charged.used.output), (nano(i64::MAX / 1_000), 1_000_000_000_000));
    assert_eq!(world.verifier.quota_stats().accounts, 0);
}

/// Waits until the authority was asked so often; what it answers then is not heard yet.
async fn asked(world: &World, times: usize) {
    while world.budgets.leases() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_budget_that_is_lowered_while_a_request_waits_for_a_lease_holds_for_it() {
    let world = with_a_dollar();
    let (verifier, key) = (Arc::clone(&world.verifier), world.key(0).await);
    let waiting =
        tokio::spawn(async move { verifier.reserve(&key, &money(DOLLAR), terms(Origin::Gateway)).await });
    asked(&world, 1).await;
    world.change(0, |facts| limited(facts, None, Some((DOLLAR / 2, BudgetPeriod::Day))));
    assert_eq!(waiting.await.unwrap().unwrap_err(), Refusal::Plain(Code::EnforcementUnavailable));
    assert_eq!(world.verifier.quota_stats().holds, 0);
    world.hold(&money(DOLLAR / 2)).await.unwrap().release();
    world.written().await;
    assert_eq!(world.charged(), 0, "nothing is charged for what was given back");
}

#[tokio::test]
async fn nobody_is_told_that_a_budget_is_exhausted_because_its_period_ended_meanwhile() {
    let world = with_a_dollar();
    world.clock.turn(Duration::from_secs(14 * 3_600 + 29 * 60 + 59));
    let (verifier, key) = (Arc::clone(&world.verifier), world.key(0).await);
    let waiting =
        tokio::spawn(async move { verifier.reserve(&key, &money(DOLLAR), terms(Origin::Gateway)).await });
    asked(&world, 1).await;
    world.clock.turn(Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap().unwrap_err(), Refusal::Plain(Code::EnforcementUnavailable));
    world.hold(&money(DOLLAR)).await.unwrap().release();
}

#[tokio::test]
async fn nobody_is_told_that_a_budget_is_exhausted_because_others_took_of_the_lease_meanwhile() {
    let world = with_a_dollar();
    world.hold(&money(100)).await.unwrap().settle(settled(0, 1));
    let (verifier, key) = (Arc::clone(&world.verifier), world.key(0).await);
    let waiting =
        tokio::spawn(async move { verifier.reserve(&key, &money(150), terms(Origin::Gateway)).await });
    asked(&world, 2).await;
    // It was asked for what the 100 lack that are free, and of these there are only 20 now.
    let other = world.hold(&money(80)).await.unwrap();
    waiting.await.unwrap().unwrap().release();
    assert_eq!(world.budgets.leases(), 3);
    other.release();
}

#[tokio::test]
async fn nobody_is_told_that_a_budget_is_exhausted_while_that_is_not_known() {
    let world = with_a_dollar();
    let open = world.hold(&money(6 * DOLLAR / 10)).await.unwrap();
    world.budgets.become_so(Mood::Failing);
    world.hold(&money(4 * DOLLAR / 10)).await.unwrap_err();
    world.budgets.become_so(Mood::Well);
    let more = money(DOLLAR / 2);
    assert_eq!(world.hold(&more).await.unwrap_err(), Refusal::Plain(Code::EnforcementUnavailable));
    world.written().await;
    assert_eq!(world.hold(&more).await.unwrap_err().code(), Code::BudgetExhausted);
    open.release();
}

#[tokio::test]
async fn writing_ends_though_others_go_on_spending() {
    let world = World::with_keys(1);
    let (verifier, key) = (Arc::clone(&world.verifier), world.key(0).await);
    let others = tokio::spawn(async move {
        loop {
            let hold = verifier.reserve(&key, &money(1), terms(Origin::Gateway)).await;
            hold.unwrap().settle(settled(1, 1));
            tokio::task::yield_now().await;
        }
    });
    while world.verifier.quota_stats().charges_waiting == 0 {
        tokio::task::yield_now().await;
    }
    let written = tokio::time::timeout(Duration::from_secs(10), world.verifier.flush_spend()).await;
    others.abort();
    written.unwrap().unwrap();
    assert!(world.charged() > 0);
}
