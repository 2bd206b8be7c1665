//! Charges on their way to the ledger: one that is refused, a ledger that refuses everything, and what is not written at the end.

use keystile_core::quota::{Actual, Origin};
use keystile_core::{Code, HoldId};
use keystile_verify::{ROWS_PER_BATCH, Return};

use crate::budgets::Refuses;
use crate::quotas::{DOLLAR, money, nano, settled, terms, with_a_dollar};
use crate::source::Mood;
use crate::world::{World, tenant};

/// Opens so many holds of key 0 and settles each to one.
async fn charged(world: &World, count: usize) -> Vec<HoldId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let hold = world.hold(&money(2)).await.unwrap();
        ids.push(hold.id());
        hold.settle(settled(1, 1));
    }
    ids
}

/// Rounds in each of which one charge is taken.
async fn rounds(world: &World, count: usize) {
    for _ in 0..count {
        charged(world, 1).await;
        world.written().await;
    }
}

#[tokio::test]
async fn a_charge_that_is_refused_holds_up_no_other_and_counts_as_spent() {
    let world = with_a_dollar();
    let ids = charged(&world, ROWS_PER_BATCH + 7).await;
    let bad = ids[ROWS_PER_BATCH / 3];
    world.budgets.refuse(Refuses::Hold(bad));
    world.written().await;
    let ledger = world.budgets.ledger();
    assert_eq!(ledger.len(), ids.len() - 1);
    assert!(ledger.iter().all(|entry| entry.hold_id != Some(bad)));
    assert!(world.budgets.writes() < 40, "it is looked for in halves: {}", world.budgets.writes());
    for _ in 0..20 {
        charged(&world, 1).await;
        world.verifier.flush_spend().await.unwrap();
    }
    rounds(&world, 8).await;
    assert!(
        world.budgets.given_up().is_empty(),
        "it was offered in nine rounds, and whoever reads begins none"
    );
    rounds(&world, 1).await;
    assert_eq!(world.budgets.given_up(), [bad]);
    let stats = world.verifier.quota_stats();
    assert_eq!((stats.given_up, stats.charges_waiting, stats.holds), (1, 0, 0));
    world.verifier.settle_up(Return::All).await.unwrap();
    let (period, all) = (world.budgets.period(), ids.len() as i64 + 20 + 9);
    assert_eq!((period.spent, period.leased), (all - 1, 1), "what it did cost stays leased");
    let rest = DOLLAR - all;
    assert_eq!(world.hold(&money(rest + 1)).await.unwrap_err().code(), Code::BudgetExhausted);
    world.hold(&money(rest)).await.unwrap().release();
    assert_eq!(world.budgets.given_up().len(), 1, "it is told of once");
}

#[tokio::test]
async fn a_hold_is_open_no_more_when_its_charge_is_given_up() {
    let world = with_a_dollar();
    let key = world.key(0).await;
    let handed = world.verifier.reserve_for_caller(&key, &money(30), terms(Origin::Caller)).await.unwrap();
    let hold = world.hold(&money(20)).await.unwrap();
    let id = hold.id();
    world.written().await;
    assert_eq!(world.budgets.open().len(), 2, "both are written as open");
    hold.settle(settled(5, 1));
    let told = Actual { cost: Some(nano(5)), ..Actual::default() };
    world.verifier.settle_hold(tenant(1), handed, &told).unwrap();
    world.budgets.refuse(Refuses::Costing(nano(5)));
    rounds(&world, 9).await;
    assert_eq!(world.budgets.open().len(), 2);
    rounds(&world, 1).await;
    let mut given_up = world.budgets.given_up();
    given_up.sort_unstable();
    let mut both = [id, handed];
    both.sort_unstable();
    assert_eq!(given_up, both);
    assert!(
        world.budgets.open().is_empty(),
        "else they would be charged after the next start, or settled anew"
    );
    world.verifier.settle_up(Return::All).await.unwrap();
    assert_eq!((world.budgets.period().spent, world.budgets.period().leased), (10, 10));
}

#[tokio::test]
async fn a_charge_that_is_refused_for_a_while_is_written_in_the_end() {
    let world = with_a_dollar();
    let bad = charged(&world, 1).await[0];
    world.budgets.refuse(Refuses::Hold(bad));
    rounds(&world, 9).await;
    assert_eq!(world.verifier.quota_stats().charges_waiting, 1);
    world.budgets.refuse(Refuses::Nothing);
    rounds(&world, 1).await;
    let stats = world.verifier.quota_stats();
    assert_eq!((world.budgets.ledger().len(), stats.charges_waiting, stats.given_up), (11, 0, 0));
}

#[tokio::test]
async fn what_stays_refused_is_offered_again_in_rounds_that_are_bounded() {
    let world = with_a_dollar();
    world.budgets.refuse(Refuses::Costing(nano(3)));
    for _ in 0..100 {
        world.hold(&money(3)).await.unwrap().settle(settled(3, 1));
    }
    while world.verifier.settle_up(Return::Idle).await.is_err() {}
    assert_eq!(world.verifier.quota_stats().charges_waiting, 100);
    let mut count = 0;
    while world.verifier.quota_stats().charges_waiting > 0 {
        let before = world.budgets.writes();
        rounds(&world, 1).await;
        let writes = world.budgets.writes() - before;
        assert!(writes <= 1 + 64, "one of what was charged, and 64 of what was refused: {writes}");
        count += 1;
        assert!(count <= 16, "a thousand are offered again");
    }
    assert_eq!((count, world.budgets.given_up().len()), (16, 100));
}

#[tokio::test]
async fn at_the_end_a_charge_that_is_refused_again_is_told_of_at_once() {
    let world = with_a_dollar();
    let bad = charged(&world, 2).await[0];
    world.budgets.refuse(Refuses::Hold(bad));
    world.written().await;
    assert!(world.budgets.given_up().is_empty());
    charged(&world, 1).await;
    world.verifier.settle_up(Return::All).await.unwrap();
    assert_eq!(world.budgets.given_up(), [bad]);
}

#[tokio::test]
async fn a_charge_that_was_refused_and_is_in_doubt_is_settled_before_leases_are_noted() {
    let world = with_a_dollar();
    let bad = charged(&world, 3).await[1];
    world.budgets.refuse(Refuses::Hold(bad));
    world.written().await;
    world.budgets.refuse(Refuses::Nothing);
    world.budgets.lose_answer(bad);
    charged(&world, 1).await;
    world.verifier.settle_up(Return::All).await.unwrap_err();
    assert_eq!(world.budgets.ledger().len(), 4, "it was written");
    world.verifier.settle_up(Return::All).await.unwrap();
    let period = world.budgets.period();
    assert_eq!((period.spent, period.leased), (4, 0), "it counts once");
    assert_eq!((world.budgets.ledger().len(), world.verifier.quota_stats().charges_waiting), (4, 0));
}

#[tokio::test]
async fn that_a_hold_is_given_back_is_written_though_it_was_refused_at_first() {
    let world = with_a_dollar();
    let hold = world.hold(&money(20)).await.unwrap();
    world.written().await;
    assert_eq!(world.budgets.open(), [hold.id()]);
    hold.release();
    world.budgets.refuse(Refuses::Everything);
    world.written().await;
    world.budgets.refuse(Refuses::Nothing);
    rounds(&world, 1).await;
    assert!(world.budgets.open().is_empty(), "else it would be charged after the next start");
}

#[tokio::test]
async fn while_everything_is_refused_nothing_is_given_up() {
    let world = with_a_dollar();
    world.budgets.refuse(Refuses::Everything);
    let mut ids = charged(&world, 300).await;
    for _ in 0..20 {
        // A round may end well when all that there is was put aside.
        let _either = world.verifier.settle_up(Return::Idle).await;
    }
    assert!(world.budgets.given_up().is_empty() && world.budgets.ledger().is_empty());
    assert_eq!(world.verifier.quota_stats().charges_waiting, 300);
    world.budgets.refuse(Refuses::Nothing);
    ids.extend(charged(&world, 1).await);
    world.written().await;
    let mut written: Vec<_> = world.budgets.ledger().into_iter().filter_map(|entry| entry.hold_id).collect();
    written.sort_unstable();
    ids.sort_unstable();
    assert_eq!(written, ids);
    let stats = world.verifier.quota_stats();
    assert_eq!((stats.given_up, stats.charges_waiting), (0, 0));
}

#[tokio::test]
async fn a_round_of_a_ledger_that_refuses_everything_is_bounded() {
    let world = with_a_dollar();
    world.budgets.refuse(Refuses::Everything);
    charged(&world, ROWS_PER_BATCH).await;
    world.verifier.settle_up(Return::Idle).await.unwrap_err();
    assert_eq!(world.budgets.writes(), 64);
    assert_eq!(world.verifier.quota_stats().flush_failures, 1);
}

#[tokio::test]
async fn what_comes_in_while_a_round_writes_is_left_to_the_next() {
    let world = with_a_dollar();
    let open = world.hold(&money(20)).await.unwrap();
    charged(&world, ROWS_PER_BATCH).await;
    let mut round = std::pin::pin!(world.verifier.flush_spend());
    let (mut seen, mut more) = (0, 0);
    loop {
        tokio::select! {
            biased;
            written = &mut round => break written.unwrap(),
            () = tokio::task::yield_now() => {
                if world.budgets.writes() > seen && more < 5 {
                    (seen, more) = (world.budgets.writes(), more + 1);
                    charged(&world, ROWS_PER_BATCH).await;
                }
            }
        }
    }
    assert_eq!(world.budgets.ledger().len(), ROWS_PER_BATCH, "however much comes in, the round ends");
    assert_eq!(world.budgets.open(), [open.id()], "and has noted what is open");
}

#[tokio::test]
async fn a_hold_that_cannot_be_noted_as_open_is_charged_all_the_same() {
    let world = with_a_dollar();
    let open = world.hold(&money(20)).await.unwrap();
    world.budgets.refuse(Refuses::Hold(open.id()));
    charged(&world, 1).await;
    world.written().await;
    assert!(world.budgets.open().is_empty());
    assert_eq!((world.budgets.ledger().len(), world.budgets.given_up().len()), (1, 0), "no charge is lost");
    world.budgets.refuse(Refuses::Nothing);
    open.settle(settled(7, 1));
    world.written().await;
    assert_eq!(world.budgets.ledger().iter().map(|entry| entry.cost.as_nanos()).sum::<i64>(), 8);
}

#[tokio::test]
async fn what_is_not_written_is_told_by_key_with_what_leases_stand_for() {
    let world = with_a_dollar();
    world.hold(&money(500)).await.unwrap().settle(settled(400, 4));
    let free = world.key(1).await;
    for cost in [300, 350] {
        let hold = world.verifier.reserve(&free, &money(1_000), terms(Origin::Gateway)).await.unwrap();
        hold.settle(settled(cost, 3));
    }
    world.budgets.become_so(Mood::Failing);
    world.verifier.settle_up(Return::All).await.unwrap_err();
    world.hold(&money(50)).await.unwrap().settle(settled(10, 1));
    let unwritten = world.verifier.unwritten_charges().await;
    let told: Vec<_> =
        unwritten.iter().map(|key| (key.key_id, key.charges, key.tokens, key.cost, key.leased)).collect();
    assert_eq!(unwritten.iter().map(|key| key.missing).collect::<Vec<_>>(), [nano(650), nano(0)]);
    let budgeted = world.key(0).await.id();
    assert_eq!(
        told,
        [(free.id(), 2, 6, nano(650), nano(0)), (budgeted, 2, 5, nano(410), nano(410))],
        "those that are under way included"
    );
    assert_eq!(world.verifier.quota_stats().charges_waiting, 4);
    world.budgets.become_so(Mood::Well);
    world.written().await;
    assert!(world.verifier.unwritten_charges().await.is_empty());
}

#[tokio::test]
async fn what_holds_stand_for_that_are_written_as_open_is_not_told_as_missing() {
    let world = World::with_keys(1);
    let (less, more) = (world.hold(&money(500)).await.unwrap(), world.hold(&money(500)).await.unwrap());
    world.written().await;
    assert_eq!(world.budgets.open().len(), 2);
    world.budgets.become_so(Mood::Failing);
    let unknown = world.hold(&money(500)).await.unwrap();
    world.verifier.settle_up(Return::Idle).await.unwrap_err();
    less.settle(settled(400, 1));
    more.settle(settled(530, 1));
    unknown.settle(settled(7, 1));
    world.hold(&money(500)).await.unwrap().settle(settled(200, 1));
    world.verifier.settle_up(Return::All).await.unwrap_err();
    let unwritten = world.verifier.unwritten_charges().await;
    let [told] = unwritten[..] else { panic!("it is one key: {unwritten:?}") };
    assert_eq!((told.charges, told.cost, told.leased), (4, nano(1_137), nano(0)));
    assert_eq!(told.held, nano(1_000), "that one more is open was not written");
    assert_eq!(told.missing, nano(30 + 7 + 200));
}
