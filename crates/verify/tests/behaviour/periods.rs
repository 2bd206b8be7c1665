//! The edges of periods, in UTC.

use std::time::Duration;

use keystile_core::{BudgetPeriod, Code};

use crate::quotas::{DOLLAR, limited, money, settled, with_a_dollar};
use crate::world::World;

/// A world in which key 0 may spend a dollar in each such period, at this moment.
fn with_a_dollar_at(period: BudgetPeriod, now: &str) -> World {
    let world = with_a_dollar();
    world.change(0, |facts| limited(facts, None, Some((DOLLAR, period))));
    world.clock.turn_to(now.parse().unwrap());
    world
}

#[tokio::test]
async fn a_budget_opens_again_exactly_at_its_edge_in_utc_and_not_a_millisecond_before() {
    for (period, before, after) in [
        (BudgetPeriod::Day, "2026-02-28T23:59:59.999Z", "day 2026-03-01"),
        (BudgetPeriod::Day, "2028-02-28T23:59:59.999Z", "day 2028-02-29"),
        (BudgetPeriod::Week, "2026-02-08T23:59:59.999Z", "week 2026-02-09"),
        (BudgetPeriod::Week, "2028-01-02T23:59:59.999Z", "week 2028-01-03"),
        (BudgetPeriod::Month, "2026-12-31T23:59:59.999Z", "month 2027-01-01"),
        (BudgetPeriod::Month, "2028-02-29T23:59:59.999Z", "month 2028-03-01"),
    ] {
        let world = with_a_dollar_at(period, before);
        world.hold(&money(DOLLAR)).await.unwrap().settle(settled(DOLLAR, 1));
        let refused = world.hold(&money(1)).await.unwrap_err();
        assert_eq!(refused.code(), Code::BudgetExhausted, "{period} at {before}");
        world.clock.turn(Duration::from_millis(1));
        let whole = world.hold(&money(DOLLAR)).await;
        whole.unwrap_or_else(|refusal| panic!("{period} after {before}: {refusal:?}")).release();
        world.written().await;
        let periods = world.budgets.periods();
        assert_eq!(periods.len(), 2, "{period} after {before}");
        assert_eq!((periods[0].1.spent, periods[0].1.leased), (DOLLAR, 0));
        assert_eq!((periods[1].0.as_str(), periods[1].1.spent), (after, 0));
    }
}

#[tokio::test]
async fn a_hold_across_an_edge_is_charged_to_the_period_in_which_it_was_taken_whatever_ends_it() {
    for (period, before) in [
        (BudgetPeriod::Day, "2026-02-28T23:59:59.999Z"),
        (BudgetPeriod::Week, "2026-02-08T23:59:59.999Z"),
        (BudgetPeriod::Month, "2026-12-31T23:59:59.999Z"),
    ] {
        let world = with_a_dollar_at(period, before);
        let (settles, dropped, overdue) = (
            world.hold(&money(100)).await.unwrap(),
            world.hold(&money(20)).await.unwrap(),
            world.hold(&money(3)).await.unwrap(),
        );
        world.clock.turn(Duration::from_millis(1));
        // It has the whole dollar of its own period: nothing of what is held across the edge bears on it.
        world.hold(&money(DOLLAR)).await.unwrap().settle(settled(DOLLAR, 1));
        settles.settle(settled(90, 1));
        drop(dropped);
        world.clock.turn(Duration::from_secs(60));
        world.written().await;
        overdue.settle(settled(1, 1));
        world.written().await;
        let spent: Vec<_> = world.budgets.periods().iter().map(|(_, one)| (one.spent, one.leased)).collect();
        assert_eq!(spent, [(90 + 20 + 3, 0), (DOLLAR, 0)], "{period}");
    }
}
