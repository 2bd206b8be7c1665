//! What a tenant has, in figures, and what of it needs attention.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Budget, Environment, KeyId, KeyKind, KeyStatus, Name, NanoUsd, Timestamp, TrustLevel};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many keys have each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts {
    /// Can be used, unless they are blocked.
    pub active: u64,
    /// Are switched off.
    pub inactive: u64,
    /// Were ended for good.
    pub revoked: u64,
    /// Their time is over.
    pub expired: u64,
}

impl StatusCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.active + self.inactive + self.revoked + self.expired
    }

    /// How many keys have this status.
    pub const fn of(&mut self, status: KeyStatus) -> &mut u64 {
        match status {
            KeyStatus::Active => &mut self.active,
            KeyStatus::Inactive => &mut self.inactive,
            KeyStatus::Revoked => &mut self.revoked,
            KeyStatus::Expired => &mut self.expired,
        }
    }

    const fn add(&mut self, more: &Self) {
        self.active += more.active;
        self.inactive += more.inactive;
        self.revoked += more.revoked;
        self.expired += more.expired;
    }
}

/// How many active keys somebody should look at; a key may stand in several places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attention {
    /// Expire within 7 days.
    pub expiring_in_7_days: u64,
    /// Expire within 30 days, those of the 7 days, too.
    pub expiring_in_30_days: u64,
    /// Have a secret that is as old as the tenant lets it grow.
    pub rotation_due: u64,
    /// Were neither made nor used for 30 days.
    pub unused_for_30_days: u64,
    /// Were neither made nor used for 90 days.
    pub unused_for_90_days: u64,
    /// Are barred.
    pub blocked: u64,
    /// Are active no more, as they expired within the last 30 days.
    pub expired_in_30_days: u64,
}

impl Attention {
    const fn add(&mut self, more: &Self) {
        self.expiring_in_7_days += more.expiring_in_7_days;
        self.expiring_in_30_days += more.expiring_in_30_days;
        self.rotation_due += more.rotation_due;
        self.unused_for_30_days += more.unused_for_30_days;
        self.unused_for_90_days += more.unused_for_90_days;
        self.blocked += more.blocked;
        self.expired_in_30_days += more.expired_in_30_days;
    }
}

/// The keys of a tenant that are not deleted. Each stands once in every one of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFigures {
    /// All of them.
    pub by_status: StatusCounts,
    /// In each environment.
    pub by_environment: BTreeMap<Environment, StatusCounts>,
    /// Of each trust level.
    pub by_trust_level: BTreeMap<TrustLevel, StatusCounts>,
    /// Of each kind, by one of [`KeyKind::NAMES`].
    pub by_kind: BTreeMap<&'static str, StatusCounts>,
    /// What needs attention.
    pub attention: Attention,
}

/// Keys that have these in common.
#[derive(Debug, Clone, Copy)]
pub struct KeyGroup {
    /// Where they work.
    pub environment: Environment,
    /// How their sources are treated.
    pub trust_level: TrustLevel,
    /// Of which kind they are, by one of [`KeyKind::NAMES`].
    pub kind: &'static str,
    /// How many there are.
    pub counts: StatusCounts,
    /// What of them needs attention.
    pub attention: Attention,
}

impl KeyFigures {
    /// No keys.
    pub fn none() -> Self {
        let none = StatusCounts::default();
        Self {
            by_status: none,
            by_environment: Environment::ALL.iter().map(|environment| (*environment, none)).collect(),
            by_trust_level: TrustLevel::ALL.iter().map(|level| (*level, none)).collect(),
            by_kind: KeyKind::NAMES.iter().map(|kind| (*kind, none)).collect(),
            attention: Attention::default(),
        }
    }

    /// Adds keys.
    pub fn add(&mut self, group: &KeyGroup) {
        self.by_status.add(&group.counts);
        self.by_environment.entry(group.environment).or_default().add(&group.counts);
        self.by_trust_level.entry(group.trust_level).or_default().add(&group.counts);
        self.by_kind.entry(group.kind).or_default().add(&group.counts);
        self.attention.add(&group.attention);
    }
}

/// A budget of which so much is spent in its present period that somebody should look at it: 80 % or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearBudget {
    /// The last key that was made of those of the lineage that can be used and have this budget.
    pub key_id: KeyId,
    /// What that key is called.
    pub name: Name,
    /// What is spent in the present period, which may be more than the budget.
    pub spent: NanoUsd,
    /// The budget.
    pub budget: Budget,
}

impl NearBudget {
    /// Whole percent of the budget that are spent, 100 at the most.
    pub const fn percent(&self) -> u64 {
        let (spent, max) = (self.spent.as_nanos(), self.budget.max.as_nanos());
        if spent >= max {
            100
        } else if spent <= 0 {
            0
        } else {
            spent.unsigned_abs().saturating_mul(100) / max.unsigned_abs()
        }
    }
}

/// The budgets of a tenant that are near their end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NearBudgets {
    /// How many there are; those of a lineage are one.
    pub count: u64,
    /// Five of them at the most, that of which the greatest part is spent first.
    pub first: Vec<NearBudget>,
}

/// What a tenant has, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// When it was counted.
    pub counted_at: Timestamp,
    /// Its keys.
    pub keys: KeyFigures,
    /// Its applications that are not archived.
    pub applications: u64,
    /// Its customers that are not archived.
    pub customers: u64,
    /// Its members.
    pub members: u64,
    /// Its invitations that are open.
    pub invitations: u64,
    /// Its budgets that are near their end.
    pub budgets: NearBudgets,
}

/// The moments that decide where a key is counted.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    /// The present.
    pub now: Timestamp,
    /// In 7 days.
    pub in_7_days: Timestamp,
    /// In 30 days.
    pub in_30_days: Timestamp,
    /// 30 days ago.
    pub ago_30_days: Timestamp,
    /// 90 days ago.
    pub ago_90_days: Timestamp,
    /// The rotation of a secret is due that was made then or earlier.
    pub due: Timestamp,
}

impl Horizon {
    /// Seen from `now`, by a tenant that wants secrets rotated after so many days.
    pub fn of(now: Timestamp, rotation_days: u16) -> Self {
        Self {
            now,
            in_7_days: now.plus(7 * DAY),
            in_30_days: now.plus(30 * DAY),
            ago_30_days: now.minus(30 * DAY),
            ago_90_days: now.minus(90 * DAY),
            due: now.minus(u32::from(rotation_days) * DAY),
        }
    }
}
