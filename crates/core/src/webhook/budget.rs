//! Parts of a budget that are told when they are spent.

use crate::{BudgetPeriod, Limits, NanoUsd, Timestamp};

/// Percent of a budget that are told when they are spent, the smallest part first.
pub const BUDGET_PERCENTS: [u8; 3] = [50, 80, 100];

/// So much of a budget is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetNotice {
    /// One of [`BUDGET_PERCENTS`].
    pub percent: u8,
    /// When it was noticed.
    pub at: Timestamp,
    /// What is spent in the period, which may be more than the part.
    pub spent: NanoUsd,
    /// What the budget allows in the period.
    pub max: NanoUsd,
    /// How long the budget lasts.
    pub period: BudgetPeriod,
    /// When it begins anew; `None` if never.
    pub ends_at: Option<Timestamp>,
}

/// What there is to tell at `now` of a budget of which `spent` is spent in the present period, after at most `before` was when it was
/// looked at until then: each part that was passed, the smallest first. So a part is told once, unless the budget grows beyond it. Of a budget
/// of nothing there is nothing to tell.
pub fn budget_notices(
    limits: &Limits,
    (before, spent): (NanoUsd, NanoUsd),
    now: Timestamp,
) -> Vec<BudgetNotice> {
    let Some(max) = limits.max_budget else { return Vec::new() };
    let period = limits.budget_period;
    let ends_at = period.span_at(now).end;
    let notice = |percent| BudgetNotice { percent, at: now, spent, max, period, ends_at };
    let is_passed = |percent: &u8| {
        let part = part(max, *percent);
        before < part && part <= spent
    };
    BUDGET_PERCENTS.into_iter().filter(is_passed).map(notice).collect()
}

/// So many percent, rounded up: less is not yet as much.
fn part(max: NanoUsd, percent: u8) -> NanoUsd {
    let hundredfold = max.as_nanos().saturating_mul(percent.into());
    NanoUsd::from_nanos(hundredfold.saturating_add(99) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn limits(max: i64) -> Limits {
        let max_budget = Some(NanoUsd::from_nanos(max));
        Limits { max_budget, budget_period: BudgetPeriod::Month, ..Limits::default() }
    }

    fn passed(max: i64, before: i64, spent: i64) -> Vec<u8> {
        let spent = (NanoUsd::from_nanos(before), NanoUsd::from_nanos(spent));
        budget_notices(&limits(max), spent, NOW).into_iter().map(|notice| notice.percent).collect()
    }

    #[test]
    fn each_part_of_a_budget_is_passed_once() {
        assert!(passed(1_000, 0, 499).is_empty());
        assert_eq!(passed(1_000, 499, 500), [50]);
        assert!(passed(1_000, 500, 799).is_empty());
        assert_eq!(passed(1_000, 500, 999), [80]);
        assert_eq!(passed(1_000, 999, 1_200), [100]);
        assert!(passed(1_000, 1_200, 5_000).is_empty());
        assert_eq!(passed(1_000, 0, 1_000), BUDGET_PERCENTS);
    }

    #[test]
    fn a_part_that_is_no_whole_number_is_passed_by_the_next_one() {
        assert!(passed(3, 0, 1).is_empty());
        assert_eq!(passed(3, 1, 2), [50]);
        assert_eq!(passed(3, 2, 3), [80, 100]);
    }

    #[test]
    fn a_greater_budget_has_its_parts_told_again() {
        assert!(passed(10_000, 1_000, 4_999).is_empty());
        assert_eq!(passed(10_000, 1_000, 5_000), [50]);
    }

    #[test]
    fn of_nothing_and_of_no_budget_nothing_is_told() {
        assert!(passed(0, 0, 10).is_empty());
        let spent = (NanoUsd::ZERO, NanoUsd::from_nanos(10));
        assert!(budget_notices(&Limits::default(), spent, NOW).is_empty());
    }

    #[test]
    fn a_notice_tells_the_amounts_and_the_end_of_the_period() {
        let spent = (NanoUsd::ZERO, NanoUsd::from_nanos(60));
        let notice = budget_notices(&limits(100), spent, NOW).remove(0);
        let amounts = (notice.spent.as_nanos(), notice.max.as_nanos(), notice.at);
        assert_eq!(amounts, (60, 100, NOW));
        let end = BudgetPeriod::Month.span_at(NOW).end;
        assert_eq!((notice.period, notice.ends_at), (BudgetPeriod::Month, end));
        let lifetime = Limits { budget_period: BudgetPeriod::Lifetime, ..limits(100) };
        assert_eq!(budget_notices(&lifetime, spent, NOW)[0].ends_at, None);
    }
}
