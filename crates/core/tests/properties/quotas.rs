//! Tokens and money, held against what they promise, by slow models that look at everything that ever happened.

use keystile_core::quota::{Charge, Day, Purse, TakenAt, TokenMeter};
use keystile_core::{BudgetPeriod, NanoUsd, Timestamp};
use proptest::prelude::*;

/// Something that happens to a lease. Places are those among the holds that are open, counted round.
#[derive(Debug, Clone, Copy)]
enum Step {
    Lease(i64),
    Hold(i64),
    /// A hold is settled to so many percent of it.
    Settle(usize, i64),
    Write,
    GiveBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..500_i64).prop_map(Step::Lease),
        4 => (0..200_i64).prop_map(Step::Hold),
        4 => (any::<usize>(), prop_oneof![4 => 0..=100_i64, 1 => 100..300_i64])
            .prop_map(|(place, percent)| Step::Settle(place, percent)),
        1 => Just(Step::Write),
        1 => Just(Step::GiveBack),
    ];
    prop::collection::vec(step, 1..150)
}

const fn nano(nanos: i64) -> NanoUsd {
    NanoUsd::from_nanos(nanos)
}

/// All that ever happened to a lease; what is left of it is summed up anew each time.
#[derive(Default)]
struct History {
    leased: Vec<i64>,
    given_back: Vec<i64>,
    open: Vec<i64>,
    charges: Vec<Charge>,
    written: usize,
}

impl History {
    fn free(&self) -> i64 {
        let from_lease: i64 = self.charges.iter().map(|charge| charge.from_lease.as_nanos()).sum();
        let (leased, back): (i64, i64) = (self.leased.iter().sum(), self.given_back.iter().sum());
        leased - back - from_lease - self.open.iter().sum::<i64>()
    }

    fn unwritten(&self) -> impl Iterator<Item = &Charge> {
        self.charges[self.written..].iter()
    }
}

fn check(purse: &Purse, history: &History) {
    assert!(history.free() >= 0);
    assert_eq!(purse.free(), nano(history.free()));
    assert_eq!(purse.held(), nano(history.open.iter().sum()));
    let from_lease: i64 = history.unwritten().map(|charge| charge.from_lease.as_nanos()).sum();
    assert_eq!(purse.leased(), nano(history.free() + purse.held().as_nanos() + from_lease));
    let debt: i64 = history.unwritten().map(|charge| charge.debt().as_nanos()).sum();
    assert_eq!(purse.debt(), nano(debt));
}

proptest! {
    #[test]
    fn no_nano_dollar_of_a_lease_is_made_or_lost(steps in steps()) {
        let (mut purse, mut history) = (Purse::default(), History::default());
        for step in steps {
            match step {
                Step::Lease(nanos) => {
                    purse.add(nano(nanos));
                    history.leased.push(nanos);
                }
                Step::Hold(nanos) => {
                    let fits = nanos <= history.free();
                    prop_assert_eq!(purse.hold(nano(nanos)), fits);
                    if fits {
                        history.open.push(nanos);
                    }
                }
                Step::Settle(place, percent) if !history.open.is_empty() => {
                    let held = history.open.remove(place % history.open.len());
                    let (cost, free) = (held * percent / 100, history.free() - held);
                    let charge = purse.settle(nano(held), nano(cost));
                    prop_assert_eq!(charge.cost, nano(cost));
                    // It pays by itself first, then from what is free, and only the rest is debt.
                    prop_assert_eq!(charge.debt(), nano((cost - held - free).max(0)));
                    history.charges.push(charge);
                }
                Step::Settle(..) => {}
                Step::Write => {
                    history.unwritten().for_each(|charge| purse.note_written(*charge));
                    history.written = history.charges.len();
                }
                Step::GiveBack => {
                    let back = purse.take_free();
                    prop_assert_eq!(back, nano(history.free()));
                    history.given_back.push(back.as_nanos());
                }
            }
            check(&purse, &history);
        }
    }

    /// Several servers lease from one budget, by the rule of the authority, and no request costs more than its hold.
    #[test]
    fn what_is_charged_never_exceeds_the_budget(
        max in 0..1_000_i64,
        steps in prop::collection::vec((0..3_usize, steps()), 1..4),
    ) {
        let (mut spent, mut leased) = (0, [0; 3]);
        for (server, steps) in steps {
            let (mut purse, mut open) = (Purse::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Lease(nanos) if spent + leased.iter().sum::<i64>() + nanos <= max => {
                        leased[server] += nanos;
                        purse.add(nano(nanos));
                    }
                    Step::Hold(nanos) if purse.hold(nano(nanos)) => open.push(nanos),
                    Step::Settle(place, percent) if !open.is_empty() => {
                        let held = open.remove(place % open.len());
                        let charge = purse.settle(nano(held), nano(held * percent.min(100) / 100));
                        purse.note_written(charge);
                        spent += charge.cost.as_nanos();
                        leased[server] -= charge.from_lease.as_nanos();
                    }
                    Step::GiveBack => leased[server] -= purse.take_free().as_nanos(),
                    Step::Lease(_) | Step::Hold(_) | Step::Settle(..) | Step::Write => {}
                }
                prop_assert!(spent + leased.iter().sum::<i64>() <= max);
            }
            // The server is killed: what it had leased stays leased, and so counts as spent.
        }
    }

    /// In any span of time no more tokens are used than the limit and what it gives for that span.
    #[test]
    fn no_more_tokens_are_used_than_the_limit_gives(
        limit in 1..200_u64,
        steps in prop::collection::vec((0..40_000_u64, 1..200_u64, 0..=100_u64, any::<usize>()), 1..60),
    ) {
        let mut meter = TokenMeter::default();
        let mut now = 0;
        // Each request: when it took, how many it took and when by the meter, and how many it used.
        let mut requests: Vec<(u64, u64, TakenAt, Option<u64>)> = Vec::new();
        for (pause, tokens, percent, place) in steps {
            now += pause;
            meter.advance(limit, now);
            if meter.wait(tokens) == Some(0) {
                let at = meter.take(tokens);
                requests.push((now, tokens, at, None));
            }
            let mut open: Vec<_> = requests.iter_mut().filter(|request| request.3.is_none()).collect();
            if place % 2 == 0 && !open.is_empty() {
                let chosen = (place / 2) % open.len();
                let (_, taken, at, used) = &mut *open[chosen];
                let actual = *taken * percent / 100;
                meter.settle(*taken, *at, actual);
                *used = Some(actual);
            }
            let used: Vec<(u64, u64)> =
                requests.iter().map(|(at, taken, _, used)| (*at, used.unwrap_or(*taken))).collect();
            for (first, (from, _)) in used.iter().enumerate() {
                let mut sum = 0;
                for (to, tokens) in &used[first..] {
                    sum += tokens;
                    prop_assert!(sum * 60_000 <= limit * 60_000 + limit * (to - from), "{used:?}");
                }
            }
        }
    }

    #[test]
    fn periods_follow_each_other_without_gaps(millis in 0..4_000_000_000_000_i64) {
        let now = Timestamp::from_millis(millis);
        for period in [BudgetPeriod::Day, BudgetPeriod::Week, BudgetPeriod::Month] {
            let span = period.span_at(now);
            let end = span.end.unwrap();
            prop_assert!(span.covers(now) && span.start < end);
            prop_assert_eq!(period.span_at(end).start, end);
            prop_assert_eq!(period.span_at(span.start), span);
            let last = Timestamp::from_millis(end.as_millis() - 1);
            prop_assert_eq!(period.span_at(last), span);
        }
    }

    #[test]
    fn days_and_months_are_those_of_the_calendar(millis in -60_000_000_000_000..250_000_000_000_000_i64) {
        let (now, utc) = (Timestamp::from_millis(millis), jiff::tz::TimeZone::UTC);
        let date = jiff::Timestamp::from_millisecond(millis).unwrap().to_zoned(utc).date();
        prop_assert_eq!(Day::of(now).to_string(), date.to_string());
        let month = BudgetPeriod::Month.span_at(now);
        prop_assert_eq!(month.first_day().to_string(), date.first_of_month().to_string());
        prop_assert_eq!(month.end_day().to_string(), date.last_of_month().tomorrow().unwrap().to_string());
        let monday = BudgetPeriod::Week.span_at(now).first_day();
        prop_assert_eq!((i64::from(monday.number()) + 3).rem_euclid(7), 0);
    }
}
