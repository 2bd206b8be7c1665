//! Budgets: what is leased of them, what is charged, and what is left when a server ends.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::llm::Consumption;
use keystile_core::quota::{
    Basis, BudgetTime, Day, LeaseAsk, LeaseTruth, Leased, LedgerEntry, LedgerKind, OpenHold, Origin,
    QuotaBatch, Settlement, SpendBy, Spending, Whose,
};
use keystile_core::{
    Action, ApiKey, Budget, BudgetPeriod, HoldId, KeyId, LedgerId, Limits, NanoUsd, Timestamp,
};
use keystile_store::{LedgerFilter, ServerId, SpendFilter, SpentOf, Store, StoreError};

use crate::bed::Bed;
use crate::sample::{World, at, entry, number, page};

pub(crate) const SERVER: ServerId = ServerId::new(1);
pub(crate) const OTHER: ServerId = ServerId::new(2);

pub(crate) fn nano(nanos: i64) -> NanoUsd {
    NanoUsd::from_nanos(nanos)
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A key that may spend so much.
pub(crate) async fn spender(world: &World, store: &Store, max: i64, period: BudgetPeriod) -> ApiKey {
    let limits = Limits { max_budget: Some(nano(max)), budget_period: period, ..Limits::default() };
    let key = ApiKey { limits, ..world.key() };
    world.create(store, &key).await;
    key
}

pub(crate) fn ask(key: &ApiKey, wanted: i64, now: Timestamp) -> LeaseAsk {
    let period = key.limits.budget_period;
    LeaseAsk {
        tenant_id: key.tenant_id,
        key_id: key.id,
        lineage_id: key.lineage_id,
        budget: Budget { max: key.limits.max_budget.unwrap(), period },
        span: period.span_at(now),
        least: nano(wanted),
        wanted: nano(wanted),
        returned: NanoUsd::ZERO,
        debt: NanoUsd::ZERO,
    }
}

fn time(key: &ApiKey, now: Timestamp) -> BudgetTime {
    let period = key.limits.budget_period;
    BudgetTime { period, first_day: period.span_at(now).first_day() }
}

fn whose(key: &ApiKey) -> Whose {
    Whose {
        tenant_id: key.tenant_id,
        key_id: key.id,
        lineage_id: Some(key.lineage_id),
        application_id: key.application_id,
        customer_id: key.customer_id,
        environment: key.environment,
    }
}

pub(crate) fn hold(key: &ApiKey, cost: i64, origin: Origin, opened_at: Timestamp) -> OpenHold {
    OpenHold {
        id: HoldId::from_parts(opened_at, number().into()),
        whose: whose(key),
        origin,
        opened_at,
        deadline_at: opened_at.plus(Duration::from_secs(60)),
        tokens: 7,
        cost: nano(cost),
        budget: key.limits.max_budget.map(|_| time(key, opened_at)),
        model: "gpt-4o".into(),
        request_id: "req".into(),
    }
}

pub(crate) fn charge(hold: &OpenHold, cost: i64) -> Settlement {
    let at = hold.opened_at.plus(Duration::from_secs(1));
    let entry = LedgerEntry {
        id: LedgerId::from_parts(at, hold.id.as_u128()),
        kind: LedgerKind::Charge,
        whose: hold.whose,
        at,
        opened_at: hold.opened_at,
        hold_id: Some(hold.id),
        model: hold.model.clone(),
        provider_id: None,
        price_version: Some(3),
        basis: Some(Basis::Upstream),
        used: Consumption { input: 5, output: 2, ..Consumption::default() },
        held: hold.cost,
        tokens_held: Some(hold.tokens),
        cost: nano(cost),
        request_id: hold.request_id.clone(),
        corrects: None,
        reason: None,
        by: None,
    };
    Settlement { entry, budget: hold.budget, from_lease: nano(cost), is_noted: true, audit: None }
}

pub(crate) fn batch(settled: Vec<Settlement>, opened: Vec<OpenHold>) -> Arc<QuotaBatch> {
    Arc::new(QuotaBatch { settled, opened, released: Vec::new() })
}

pub(crate) async fn leased(store: &Store, server: ServerId, ask: LeaseAsk) -> Leased {
    store.lease_budget(server, ask).await.unwrap()
}

/// Leases just enough, charges it on the day of `at`.
pub(crate) async fn spend(store: &Store, key: &ApiKey, cost: i64, at: Timestamp) {
    assert_eq!(leased(store, SERVER, ask(key, cost, at)).await.granted, nano(cost));
    let hold = hold(key, cost, Origin::Gateway, at);
    store.write_quota(SERVER, batch(vec![charge(&hold, cost)], vec![])).await.unwrap();
}

async fn ledger(store: &Store, key: &ApiKey) -> Vec<LedgerEntry> {
    store.ledger(key.tenant_id, &LedgerFilter::default(), page(1_000)).await.unwrap()
}

/// What was spent in a tenant in these days, by whomever.
async fn spending(store: &Store, world: &World, by: SpendBy, days: (Day, Day)) -> Spending {
    store.spend(world.tenant.id, by, days, &SpendFilter::default()).await.unwrap()
}

async fn change(world: &World, store: &Store, id: KeyId, max: i64, period: BudgetPeriod) -> ApiKey {
    let told = world.entry(Action::KeyUpdate, id);
    let changed = store.change_key::<()>(world.tenant.id, id, move |key| {
        key.limits = Limits { max_budget: Some(nano(max)), budget_period: period, ..key.limits.clone() };
        Ok(Some(told))
    });
    changed.await.unwrap().unwrap().unwrap().after
}

pub(crate) async fn leases_at_once_never_exceed_the_budget(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Month).await;
    let asks = (0..40_u32).map(|place| {
        let (store, ask) = (store.clone(), ask(&key, 70, at(0)));
        let server = if place % 2 == 0 { SERVER } else { OTHER };
        tokio::spawn(async move { store.lease_budget(server, ask).await })
    });
    let mut granted = 0;
    for asked in asks.collect::<Vec<_>>() {
        granted += asked.await.unwrap().unwrap().granted.as_nanos();
    }
    assert_eq!(granted, 14 * 70, "as many as fit");
    let some = LeaseAsk { least: nano(1), ..ask(&key, 70, at(0)) };
    let last = leased(&store, SERVER, some).await;
    assert_eq!(
        (last.granted, last.spent, last.own.as_nanos() + last.others.as_nanos()),
        (nano(20), nano(0), 1_000)
    );
}

pub(crate) async fn what_was_charged_is_spent_once_and_leased_no_more(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    leased(&store, SERVER, ask(&key, 900, at(0))).await;
    let (first, second) = (hold(&key, 300, Origin::Gateway, at(0)), hold(&key, 100, Origin::Caller, at(0)));
    let written = batch(vec![charge(&first, 200)], vec![second.clone()]);
    for _ in 0..3 {
        store.write_quota(SERVER, Arc::clone(&written)).await.unwrap();
    }
    let told = leased(&store, SERVER, LeaseAsk { least: nano(0), ..ask(&key, 0, at(0)) }).await;
    assert_eq!((told.spent, told.own, told.others), (nano(200), nano(700), nano(0)));
    let rows = ledger(&store, &key).await;
    assert_eq!(rows, [charge(&first, 200).entry], "every field comes back");
    let open = store.open_holds(world.tenant.id, Some(key.id), page(10)).await.unwrap();
    assert_eq!(open, std::slice::from_ref(&second));
    let released = QuotaBatch { released: vec![second.id], ..QuotaBatch::default() };
    store.write_quota(SERVER, Arc::new(released)).await.unwrap();
    assert!(store.open_holds(world.tenant.id, None, page(10)).await.unwrap().is_empty());
}

pub(crate) async fn a_charge_that_cannot_be_stored_is_refused_and_the_others_without_it_are_not(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    leased(&store, SERVER, ask(&key, 900, at(0))).await;
    let holds: Vec<_> = (0..5).map(|step| hold(&key, 10, Origin::Gateway, at(step))).collect();
    let mut settled: Vec<_> = holds.iter().map(|hold| charge(hold, 10)).collect();
    settled[3].entry.model = "gpt\0".into();
    let refused = store.write_quota(SERVER, batch(settled.clone(), vec![])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
    assert!(ledger(&store, &key).await.is_empty(), "nothing of it was written");
    let bad = settled.remove(3);
    for half in [settled[..2].to_vec(), settled[2..].to_vec()] {
        store.write_quota(SERVER, batch(half, vec![])).await.unwrap();
    }
    let alone = store.write_quota(SERVER, batch(vec![bad], vec![])).await.unwrap_err();
    assert!(matches!(alone, StoreError::Refused(_)), "{alone:?}");
    let told = leased(&store, SERVER, LeaseAsk { least: nano(0), ..ask(&key, 0, at(0)) }).await;
    assert_eq!((told.spent, told.own), (nano(40), nano(860)), "what it did cost stays leased");
    assert_eq!(ledger(&store, &key).await.len(), 4);
}

pub(crate) async fn what_a_server_really_has_leased_is_corrected(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Week).await;
    leased(&store, SERVER, ask(&key, 600, at(0))).await;
    leased(&store, OTHER, ask(&key, 400, at(0))).await;
    let truth = LeaseTruth { lineage_id: key.lineage_id, time: time(&key, at(0)), leased: nano(150) };
    for _ in 0..2 {
        store.true_up_lease(SERVER, truth).await.unwrap();
    }
    let told = leased(&store, SERVER, ask(&key, 450, at(0))).await;
    assert_eq!((told.granted, told.own, told.others), (nano(450), nano(600), nano(400)));
    let returning = LeaseAsk { returned: nano(600), ..ask(&key, 601, at(0)) };
    let told = leased(&store, SERVER, returning).await;
    assert_eq!((told.granted, told.own), (nano(0), nano(0)), "it is given back whatever is answered");
}

pub(crate) async fn a_budget_set_later_counts_what_was_spent_in_its_period(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 10_000, BudgetPeriod::Lifetime).await;
    // A leap day, the last of a month, in a week that began on Monday the 26th.
    for (cost, when) in [
        (1_000, "2024-01-31T23:59:59.999Z"),
        (200, "2024-02-01T00:00:00Z"),
        (30, "2024-02-28T12:00:00Z"),
        (4, "2024-02-29T23:59:59.999Z"),
    ] {
        spend(&store, &key, cost, moment(when)).await;
    }
    let now = moment("2024-02-29T23:59:59.999Z");
    for (period, spent) in [
        (BudgetPeriod::Day, 4),
        (BudgetPeriod::Week, 34),
        (BudgetPeriod::Month, 234),
        (BudgetPeriod::Lifetime, 1_234),
    ] {
        let key = change(&world, &store, key.id, 10_000, period).await;
        let told = leased(&store, SERVER, LeaseAsk { least: nano(0), ..ask(&key, 0, now) }).await;
        assert_eq!(told.spent, nano(spent), "{period}");
        let of = SpentOf { lineage_id: key.lineage_id, span: period.span_at(now) };
        assert_eq!(store.spent(&[of]).await.unwrap(), [nano(spent)]);
        let reset = moment("2024-03-01T00:00:00Z");
        let after = leased(&store, SERVER, LeaseAsk { least: nano(0), ..ask(&key, 0, reset) }).await;
        let expected = match period {
            BudgetPeriod::Day | BudgetPeriod::Month => 0,
            BudgetPeriod::Week | BudgetPeriod::Lifetime => spent,
        };
        assert_eq!(after.spent, nano(expected), "{period} just after the day has ended");
    }
}

pub(crate) async fn what_is_leased_under_another_period_counts_while_it_shares_a_day(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Month).await;
    let now = moment("2024-02-29T12:00:00Z");
    leased(&store, SERVER, ask(&key, 600, now)).await;
    let open = hold(&key, 600, Origin::Gateway, now);
    let daily = change(&world, &store, key.id, 1_000, BudgetPeriod::Day).await;
    let told = leased(&store, SERVER, ask(&daily, 401, now)).await;
    assert_eq!((told.granted, told.others), (nano(0), nano(600)));
    // The charge is paid by the month, and is spent on this day, too.
    store.write_quota(SERVER, batch(vec![charge(&open, 500)], vec![])).await.unwrap();
    let told = leased(&store, SERVER, ask(&daily, 401, now)).await;
    assert_eq!((told.granted, told.spent, told.others), (nano(0), nano(500), nano(100)));
    assert_eq!(leased(&store, SERVER, ask(&daily, 400, now)).await.granted, nano(400));
    let next_day = moment("2024-03-01T00:00:00Z");
    assert_eq!(leased(&store, SERVER, ask(&daily, 1_000, next_day)).await.granted, nano(1_000));
    let stale = ask(&key, 1, now);
    store.lease_budget(SERVER, stale).await.unwrap_err();
    let lowered = change(&world, &store, key.id, 950, BudgetPeriod::Day).await;
    let as_it_was =
        LeaseAsk { budget: Budget { max: nano(5_000), ..stale_budget(&lowered) }, ..ask(&lowered, 1, now) };
    assert_eq!(leased(&store, SERVER, as_it_was).await.granted, nano(0), "the record says what holds");
}

fn stale_budget(key: &ApiKey) -> Budget {
    Budget { max: key.limits.max_budget.unwrap(), period: key.limits.budget_period }
}

pub(crate) async fn a_server_that_was_killed_leaves_charges_holds_and_what_is_lost(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Month).await;
    leased(&store, OTHER, ask(&key, 900, at(0))).await;
    let (done, streaming) = (hold(&key, 50, Origin::Gateway, at(0)), hold(&key, 300, Origin::Gateway, at(1)));
    let callers = hold(&key, 200, Origin::Caller, at(2));
    let written = batch(vec![charge(&done, 40)], vec![streaming.clone(), callers.clone()]);
    store.write_quota(OTHER, written).await.unwrap();

    let (mut adopted, mut charged, mut lost) = (Vec::new(), 0, 0);
    for round in 0.. {
        let taken = store.take_up_quota(SERVER, at(5_000), round).await.unwrap();
        adopted.extend(taken.adopted);
        charged += taken.charged;
        lost += taken.lost.as_nanos();
        if !taken.is_partial {
            break;
        }
    }
    assert_eq!((adopted, charged, lost), (vec![callers.clone()], 1, 360));
    let rows = ledger(&store, &key).await;
    let told: Vec<_> = rows.iter().map(|row| (row.kind, row.cost.as_nanos(), row.hold_id)).collect();
    assert!(told.contains(&(LedgerKind::Charge, 300, Some(streaming.id))), "{told:?}");
    assert!(told.contains(&(LedgerKind::Lost, 360, None)), "{told:?}");
    let after = leased(&store, SERVER, ask(&key, 101, at(5_000))).await;
    assert_eq!(
        (after.granted, after.spent, after.own, after.others),
        (nano(0), nano(700), nano(200), nano(0))
    );
    store.write_quota(SERVER, batch(vec![charge(&callers, 20)], vec![])).await.unwrap();
    // The server that was thought dead wakes up and writes what it knows.
    store.write_quota(OTHER, batch(vec![charge(&streaming, 10)], vec![])).await.unwrap();
    let told = leased(&store, SERVER, ask(&key, 0, at(5_000))).await;
    assert_eq!((told.spent, told.own, told.others), (nano(720), nano(180), nano(0)));
    let nothing = store.take_up_quota(SERVER, at(6_000), 99).await.unwrap();
    assert!(nothing.adopted.is_empty() && !nothing.is_partial && nothing.lost == NanoUsd::ZERO);
}

pub(crate) async fn what_is_lost_is_lost_to_its_period_though_a_clock_was_set_back(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    let (before, then) = (moment("2024-02-26T10:00:00Z"), moment("2024-02-27T10:00:00Z"));
    leased(&store, OTHER, ask(&key, 900, then)).await;
    for round in 0.. {
        if !store.take_up_quota(SERVER, before, round).await.unwrap().is_partial {
            break;
        }
    }
    let told = leased(&store, SERVER, ask(&key, 0, then)).await;
    assert_eq!((told.spent, told.own, told.others), (nano(900), nano(0), nano(0)));
}

pub(crate) async fn a_correction_is_a_row_and_budget_and_sums_follow(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Month).await;
    spend(&store, &key, 1_000, at(0)).await;
    let row = ledger(&store, &key).await.remove(0);
    let correct = async |amount: i64| {
        let told = entry(world.tenant.id, Action::LedgerCorrect, &row.id.to_string());
        let id = LedgerId::from_parts(at(9), number().into());
        let made = move |row: &LedgerEntry, before: NanoUsd| {
            let cost = nano(amount - before.as_nanos());
            let correction = LedgerEntry {
                id,
                at: id.made_at(),
                kind: LedgerKind::Correction,
                hold_id: None,
                corrects: Some(row.id),
                cost,
                used: Consumption::default(),
                ..row.clone()
            };
            Ok::<_, ()>((cost != NanoUsd::ZERO).then_some((correction, told)))
        };
        let corrected = store.correct_charge(world.tenant.id, row.id, made).await.unwrap();
        corrected.unwrap().unwrap().correction.map(|row| row.cost.as_nanos())
    };
    assert_eq!([correct(400).await, correct(700).await, correct(700).await], [Some(-600), Some(300), None]);
    let told = leased(&store, SERVER, ask(&key, 300, at(0))).await;
    assert_eq!((told.granted, told.spent), (nano(300), nano(700)));
    let days = (Day::of(at(0)), Day::of(at(0)).plus(1));
    let Spending { sums, total, .. } = spending(&store, &world, SpendBy::Key, days).await;
    assert_eq!((sums.len(), total.cost, total.requests, total.output), (1, nano(700), 1, 2));
    assert_eq!(
        world.log(&store).await.iter().filter(|entry| entry.action == Action::LedgerCorrect).count(),
        2
    );
    let unusual = LedgerFilter { kind: Some(LedgerKind::Correction), ..LedgerFilter::default() };
    assert_eq!(store.ledger(world.tenant.id, &unusual, page(10)).await.unwrap().len(), 2);
}

pub(crate) async fn spending_is_summed_up_by_whatever_is_asked(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (first, second) = (
        spender(&world, &store, 1_000, BudgetPeriod::Month).await,
        spender(&world, &store, 1_000, BudgetPeriod::Month).await,
    );
    let (monday, tuesday) = (moment("2024-02-26T10:00:00Z"), moment("2024-02-27T10:00:00Z"));
    for (key, cost, when) in [(&first, 5, monday), (&second, 70, monday), (&first, 20, tuesday)] {
        spend(&store, key, cost, when).await;
    }
    let days = (Day::of(monday), Day::of(tuesday).plus(1));
    let sums = async |by| {
        let Spending { sums, total, has_more } = spending(&store, &world, by, days).await;
        assert!(!has_more);
        assert_eq!((total.cost, total.requests, total.input), (nano(95), 3, 15));
        sums.into_iter().map(|sum| (sum.name, sum.spend.cost.as_nanos())).collect::<Vec<_>>()
    };
    let named = |name: &dyn ToString, cost: i64| (Some(name.to_string()), cost);
    assert_eq!(sums(SpendBy::Key).await, [named(&second.id, 70), named(&first.id, 25)]);
    assert_eq!(sums(SpendBy::Day).await, [named(&"2024-02-26", 75), named(&"2024-02-27", 20)]);
    assert_eq!(sums(SpendBy::Model).await, [named(&"gpt-4o", 95)]);
    assert_eq!(sums(SpendBy::Application).await, [named(&first.application_id, 95)]);
    assert_eq!(sums(SpendBy::Customer).await, [(None, 95)]);
    let stranger = World::founded(&store).await;
    assert!(spending(&store, &stranger, SpendBy::Key, days).await.sums.is_empty());
}

pub(crate) async fn no_charge_is_too_large_to_be_summed_up(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Lifetime).await;
    let now = moment("2024-02-26T10:00:00Z");
    leased(&store, SERVER, ask(&key, 1, now)).await;
    for _ in 0..3 {
        let hold = hold(&key, 0, Origin::Gateway, now);
        let mut lie = charge(&hold, i64::MAX);
        lie.entry.used = Consumption { input: u64::MAX, output: u64::MAX, ..Consumption::default() };
        lie.from_lease = NanoUsd::ZERO;
        store.write_quota(SERVER, batch(vec![lie], vec![])).await.unwrap();
    }
    let days = (Day::of(now), Day::of(now).plus(1));
    let Spending { total, .. } = spending(&store, &world, SpendBy::Key, days).await;
    assert_eq!((total.requests, total.input, total.cost), (3, 10_u64.pow(18), nano(10_i64.pow(18))));
    let debt = LeaseAsk { debt: nano(i64::MAX), ..ask(&key, 1, now) };
    assert_eq!(leased(&store, SERVER, debt).await.granted, NanoUsd::ZERO);
}

pub(crate) async fn the_ledger_is_paged_latest_first_and_each_filter_finds_its_rows(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 100_000, BudgetPeriod::Month).await;
    let other = spender(&world, &store, 100_000, BudgetPeriod::Month).await;
    leased(&store, SERVER, ask(&key, 10_000, at(0))).await;
    let holds: Vec<_> = (0..150).map(|step| hold(&key, 10, Origin::Gateway, at(step * 1_000))).collect();
    let mut settled: Vec<_> = holds.iter().map(|hold| charge(hold, 10)).collect();
    settled.push(charge(&hold(&other, 10, Origin::Gateway, at(0)), 0));
    let unlimited = OpenHold { budget: None, ..hold(&key, 10, Origin::Gateway, at(0)) };
    let mut unknown = charge(&unlimited, 1);
    unknown.entry.whose.lineage_id = None;
    unknown.entry.model = "o3".into();
    settled.push(unknown);
    store.write_quota(SERVER, batch(settled, vec![])).await.unwrap();
    let filter = LedgerFilter { key_id: Some(key.id), ..LedgerFilter::default() };
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let part = keystile_store::Page { after, limit: 40 };
        let rows = store.ledger(world.tenant.id, &filter, part).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        ids.extend(rows.iter().map(|row| row.id));
    }
    assert_eq!(ids.len(), 151);
    assert!(ids.is_sorted_by(|one, next| one > next));
    let count =
        async |filter: LedgerFilter| store.ledger(world.tenant.id, &filter, page(1_000)).await.unwrap().len();
    assert_eq!(count(LedgerFilter { model: Some("o3".into()), ..LedgerFilter::default() }).await, 1);
    let span = LedgerFilter { from: Some(at(2_000)), to: Some(at(4_000)), ..filter };
    assert_eq!(count(span).await, 2);
    let unknown = LedgerFilter { model: Some("o3".into()), ..LedgerFilter::default() };
    let rows = store.ledger(world.tenant.id, &unknown, page(1)).await.unwrap();
    assert_eq!(rows[0].whose.lineage_id, Some(key.lineage_id), "it was looked up");
}

pub(crate) async fn periods_that_are_over_are_forgotten_and_can_be_summed_up_again(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = spender(&world, &store, 1_000, BudgetPeriod::Day).await;
    let now = moment("2024-02-29T12:00:00Z");
    spend(&store, &key, 30, now).await;
    leased(&store, SERVER, ask(&key, 5, moment("2024-02-28T12:00:00Z"))).await;
    assert_eq!(
        store.sweep_budgets("2024-03-02".parse().unwrap()).await.unwrap(),
        1,
        "of one a part is leased"
    );
    assert_eq!(store.sweep_budgets("2024-03-02".parse().unwrap()).await.unwrap(), 0);
    let told = leased(&store, SERVER, LeaseAsk { least: nano(0), ..ask(&key, 0, now) }).await;
    assert_eq!(told.spent, nano(30));
}
