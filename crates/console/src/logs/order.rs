//! Requests, and the gaps between them, in their order.

use std::time::Duration;

use keystile_core::{MissingRequests, Timestamp};

use super::row::Row;

const MINUTE: Duration = Duration::from_secs(60);

/// What stands in the list.
#[derive(Debug)]
pub(super) enum Item {
    Request(Box<Row>),
    Gap(Gap),
}

/// Requests that found no room on their way into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) count: u64,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Gap {
    fn of(missing: &MissingRequests) -> Self {
        let from = missing.minute.starts_at();
        Self { count: missing.count, from, to: from.plus(MINUTE) }
    }
}

/// Rows and gaps, both of them the latest first, in one list. What is missing in minutes next to each other, with no row between, is one
/// gap.
pub(super) fn in_order(rows: Vec<Row>, gaps: &[MissingRequests]) -> Vec<Item> {
    let mut gaps = gaps.iter().map(Gap::of).peekable();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        while let Some(gap) = gaps.next_if(|gap| gap.from > row.at) {
            add(&mut items, gap);
        }
        items.push(Item::Request(Box::new(row)));
    }
    for gap in gaps {
        add(&mut items, gap);
    }
    items
}

fn add(items: &mut Vec<Item>, gap: Gap) {
    match items.last_mut() {
        Some(Item::Gap(later)) if later.from == gap.to => {
            later.from = gap.from;
            later.count += gap.count;
        }
        Some(Item::Gap(_) | Item::Request(_)) | None => items.push(Item::Gap(gap)),
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{Minute, TenantId};

    use super::*;

    fn at(minutes: i64, seconds: i64) -> Timestamp {
        Timestamp::from_millis((minutes * 60 + seconds) * 1_000)
    }

    fn gap(minute: u32, count: u64) -> MissingRequests {
        MissingRequests { tenant_id: TenantId::from_u128(1), minute: Minute::new(minute), count }
    }

    /// Requests by their second, and gaps as `count: from–to` in minutes.
    fn told(rows: &[Timestamp], gaps: &[MissingRequests]) -> Vec<String> {
        let rows = rows.iter().map(|at| Row { at: *at, ..Row::empty() }).collect();
        let item = |item: Item| match item {
            Item::Request(row) => row.at.as_seconds().to_string(),
            Item::Gap(Gap { count, from, to }) => {
                format!("{count}: {}–{}", from.as_seconds() / 60, to.as_seconds() / 60)
            }
        };
        in_order(rows, gaps).into_iter().map(item).collect()
    }

    #[test]
    fn gaps_stand_between_the_requests_of_their_time() {
        let rows = [at(12, 5), at(10, 30), at(7, 0)];
        assert_eq!(told(&rows, &[gap(11, 3), gap(10, 2)]), ["725", "3: 11–12", "630", "2: 10–11", "420"]);
        assert_eq!(told(&rows, &[gap(20, 1), gap(3, 4)]), ["1: 20–21", "725", "630", "420", "4: 3–4"]);
    }

    #[test]
    fn minutes_next_to_each_other_are_one_gap() {
        assert_eq!(told(&[], &[gap(9, 1), gap(8, 2), gap(6, 4)]), ["3: 8–10", "4: 6–7"]);
        assert_eq!(told(&[at(9, 0)], &[gap(9, 1), gap(8, 2)]), ["540", "3: 8–10"]);
    }
}
