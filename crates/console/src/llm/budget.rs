//! What keys have left of their budgets and tokens.

use keystile_core::{ApiKey, NanoUsd, Timestamp};
use keystile_verify::Room;

use crate::keys::period_name;
use crate::money;
use crate::parts::{self, Bar};
use keystile_web::App;

/// A budget as pages show it.
pub(crate) struct Budget {
    pub(crate) bar: Bar,
    pub(crate) max: String,
    pub(crate) spent: String,
    pub(crate) held: String,
    pub(crate) left: String,
    /// Whether anything is held.
    pub(crate) has_held: bool,
    /// Whether nothing is left.
    pub(crate) is_used_up: bool,
    /// How long it lasts, for people.
    pub(crate) period: &'static str,
    /// When it begins anew; none if never.
    pub(crate) ends_at: Option<Timestamp>,
}

impl Budget {
    /// That of a key at this moment, if it has one. What was written down tells what is spent where the servers cannot say it now.
    pub(super) fn of(key: &ApiKey, room: &Room, now: Timestamp) -> Option<Self> {
        let limits = &key.limits;
        let max = limits.max_budget?;
        let (spent, held) = room.budget.map_or((limits.spend, NanoUsd::ZERO), |room| (room.spent, room.held));
        let left = max.as_nanos().saturating_sub(spent.as_nanos()).saturating_sub(held.as_nanos()).max(0);
        Some(Self {
            bar: parts::bar(spent, held, max),
            max: money::rounded(max),
            spent: money::rounded(spent),
            held: money::rounded(held),
            left: money::rounded(NanoUsd::from_nanos(left)),
            has_held: held > NanoUsd::ZERO,
            is_used_up: left == 0,
            period: period_name(limits.budget_period.as_str()),
            ends_at: limits.budget_period.span_at(now).end,
        })
    }
}

/// What a key has left at this moment; nothing of it where that cannot be known.
pub(super) async fn room(app: &App, key: &ApiKey) -> Room {
    match app.verifier.key_held(key.secret.digest).await {
        Ok(Some(known)) => app.verifier.room(&known).await.unwrap_or_default(),
        Ok(None) | Err(_) => Room::default(),
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{Actor, ApplicationId, BudgetPeriod, KeyId, Secret, TenantId};
    use keystile_verify::BudgetRoom;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn key() -> ApiKey {
        let (id, tenant) = (KeyId::from_parts(NOW, 1), TenantId::from_parts(NOW, 1));
        let (application, secret) =
            (ApplicationId::from_parts(NOW, 1), Secret::new("9f8e7d6c5b4a39281706f5e4"));
        let mut key =
            ApiKey::new(id, tenant, application, "web".parse().unwrap(), &secret, Actor::System, NOW);
        key.limits.max_budget = Some(NanoUsd::from_nanos(10_000_000_000));
        key.limits.budget_period = BudgetPeriod::Day;
        key.limits.spend = NanoUsd::from_nanos(4_000_000_000);
        key
    }

    #[test]
    fn a_budget_is_told_as_the_servers_know_it_or_else_as_it_was_written_down() {
        let written = Budget::of(&key(), &Room::default(), NOW).unwrap();
        assert_eq!((written.spent.as_str(), written.left.as_str()), ("$4.00", "$6.00"));
        assert!(!written.has_held && !written.is_used_up && written.ends_at.is_some());
        let amount = NanoUsd::from_nanos;
        let budget = BudgetRoom {
            max: amount(10_000_000_000),
            spent: amount(7_000_000_000),
            held: amount(4_000_000_000),
            remaining: NanoUsd::ZERO,
            ends_at: None,
        };
        let known = Budget::of(&key(), &Room { tokens: None, budget: Some(budget) }, NOW).unwrap();
        assert_eq!([&*known.spent, &*known.held, &*known.left], ["$7.00", "$4.00", "$0.00"]);
        assert!(known.has_held && known.is_used_up);
    }

    #[test]
    fn a_key_without_a_budget_has_none() {
        let mut key = key();
        key.limits.max_budget = None;
        assert!(Budget::of(&key, &Room::default(), NOW).is_none());
    }
}
