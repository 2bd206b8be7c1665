//! What is said of a hold when it is settled, and what is told of it, the first time and whenever the same is said again.

use crate::quota::{Basis, HoldState, LedgerEntry, LedgerKind};
use crate::{Actor, AuditEntry, HoldId, KeyId, NanoUsd};

/// Most that one request is charged: beyond every budget there can be, as the bound of what is held is. Sums of many stay within an integer.
pub const MOST_CHARGED: NanoUsd = NanoUsd::from_nanos(i64::MAX / 1_000);
/// Most that is noted of each kind of what one request has used: far more than any can.
pub const MOST_COUNTED: u64 = 1_000_000_000_000;

/// What the caller who was given a hold says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actual {
    /// Tokens that were used; `None` for all that were held.
    pub tokens: Option<u64>,
    /// What it did cost; `None` for all that was held.
    pub cost: Option<NanoUsd>,
    /// Somebody who settles it in the caller's place.
    pub ruling: Option<Ruling>,
}

/// A person settles a hold by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: Option<Box<str>>,
    /// What the audit log is told, in the transaction that writes the charge.
    pub audit: Box<AuditEntry>,
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledHold {
    /// The hold.
    pub id: HoldId,
    /// The key that its request had.
    pub key_id: KeyId,
    /// How it ended.
    pub state: HoldState,
    /// Money that was held.
    pub held: NanoUsd,
    /// Money that is charged.
    pub charged: NanoUsd,
    /// Tokens that were held.
    pub tokens_held: u64,
    /// Tokens that were used.
    pub tokens_used: u64,
}

/// What a hold was charged that has ended, as far as somebody has to know it who settles it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargedHold {
    /// The hold.
    pub id: HoldId,
    /// The key that its request had.
    pub key_id: KeyId,
    /// What the charge rests on.
    pub basis: Basis,
    /// Money that was held.
    pub held: NanoUsd,
    /// Tokens that were held.
    pub tokens_held: u64,
    /// Money that is charged.
    pub cost: NanoUsd,
    /// Tokens that are noted as used, see [`Actual::noted_tokens`].
    pub tokens_noted: u64,
    /// Who has settled it in another's place.
    pub by: Option<Actor>,
}

impl Actual {
    /// What the charge rests on. Whoever tells neither tokens nor money has nothing charged but the hold.
    pub const fn basis(&self) -> Basis {
        if self.tokens.is_none() && self.cost.is_none() { Basis::Hold } else { Basis::Counted }
    }

    /// Tokens as the ledger notes them. Callers do not tell kinds of tokens apart, and of what they do not tell nothing is noted.
    pub fn noted_tokens(&self) -> u64 {
        self.tokens.unwrap_or(0).min(MOST_COUNTED)
    }

    /// What was told when the hold was settled so; `None` if it was charged otherwise, or by somebody else.
    pub fn told_of(&self, charged: &ChargedHold) -> Option<SettledHold> {
        let cost = self.cost.unwrap_or(charged.held).max(NanoUsd::ZERO).min(MOST_CHARGED);
        let by = self.ruling.as_ref().map(|ruling| ruling.by);
        let said = (self.basis(), cost, self.noted_tokens(), by);
        (said == (charged.basis, charged.cost, charged.tokens_noted, charged.by)).then(|| SettledHold {
            id: charged.id,
            key_id: charged.key_id,
            state: charged.basis.state(),
            held: charged.held,
            charged: charged.cost,
            tokens_held: charged.tokens_held,
            tokens_used: self.tokens.unwrap_or(charged.tokens_held),
        })
    }
}

impl ChargedHold {
    /// What a row of the ledger tells; `None` for one that charges no hold, or that a version has written which noted less.
    pub fn of(row: &LedgerEntry) -> Option<Self> {
        if row.kind != LedgerKind::Charge {
            return None;
        }
        Some(Self {
            id: row.hold_id?,
            key_id: row.whose.key_id,
            basis: row.basis?,
            held: row.held,
            tokens_held: row.tokens_held?,
            cost: row.cost,
            tokens_noted: row.used.input,
            by: row.by,
        })
    }
}

impl Basis {
    /// How a hold ended whose charge rests on it.
    pub const fn state(self) -> HoldState {
        match self {
            Self::Upstream | Self::Counted => HoldState::Settled,
            Self::Hold => HoldState::Charged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Consumption;
    use crate::quota::Whose;
    use crate::{AuditId, Environment, LedgerId, PersonId, TenantId, Timestamp};

    const fn nano(nanos: i64) -> NanoUsd {
        NanoUsd::from_nanos(nanos)
    }

    /// The row of a hold of 100 and 9 tokens, settled as this says.
    fn row(actual: &Actual) -> LedgerEntry {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let (tenant_id, key_id) = (TenantId::from_parts(at, 1), KeyId::from_parts(at, 2));
        LedgerEntry {
            id: LedgerId::from_parts(at, 3),
            kind: LedgerKind::Charge,
            whose: Whose {
                tenant_id,
                key_id,
                lineage_id: Some(key_id),
                application_id: crate::ApplicationId::from_parts(at, 4),
                customer_id: None,
                environment: Environment::Production,
            },
            at,
            opened_at: at,
            hold_id: Some(HoldId::from_parts(at, 5)),
            model: Box::default(),
            provider_id: None,
            price_version: None,
            basis: Some(actual.basis()),
            used: Consumption { input: actual.noted_tokens(), ..Consumption::default() },
            held: nano(100),
            tokens_held: Some(9),
            cost: actual.cost.unwrap_or(nano(100)),
            request_id: Box::default(),
            corrects: None,
            reason: None,
            by: actual.ruling.as_ref().map(|ruling| ruling.by),
        }
    }

    fn ruling(by: u128) -> Ruling {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let by = Actor::Person(PersonId::from_parts(at, by));
        let audit = AuditEntry {
            id: AuditId::from_parts(at, 6),
            tenant_id: TenantId::from_parts(at, 1),
            at,
            actor: by,
            action: crate::Action::HoldSettle,
            target: String::new(),
            ip: None,
            request_id: None,
            changes: serde_json::Value::Null,
        };
        Ruling { by, reason: None, audit: Box::new(audit) }
    }

    #[test]
    fn whoever_says_the_same_again_is_told_the_same() {
        let said = |tokens, cost: Option<i64>| Actual { tokens, cost: cost.map(nano), ruling: None };
        let by_hand = |by| Actual { ruling: Some(ruling(by)), ..said(Some(3), Some(60)) };
        for (actual, charged, used) in [
            (said(None, None), 100, 9),
            (said(Some(3), None), 100, 3),
            (said(None, Some(60)), 60, 9),
            (said(Some(0), Some(0)), 0, 0),
            (by_hand(1), 60, 3),
        ] {
            let told = actual.told_of(&ChargedHold::of(&row(&actual)).unwrap()).unwrap();
            assert_eq!((told.charged, told.tokens_used), (nano(charged), used), "{actual:?}");
            assert_eq!((told.held, told.tokens_held, told.state), (nano(100), 9, actual.basis().state()));
        }
        for (first, then) in [
            (said(None, None), said(None, Some(100))),
            (said(Some(3), Some(60)), said(Some(3), Some(61))),
            (said(Some(3), Some(60)), said(Some(4), Some(60))),
            (said(Some(3), Some(60)), by_hand(1)),
            (by_hand(1), by_hand(2)),
        ] {
            let charged = ChargedHold::of(&row(&first)).unwrap();
            assert_eq!(then.told_of(&charged), None, "{first:?} {then:?}");
        }
    }

    #[test]
    fn a_row_that_charges_no_hold_or_notes_less_tells_nothing_of_one() {
        let row = row(&Actual::default());
        assert!(ChargedHold::of(&row).is_some());
        for other in [
            LedgerEntry { kind: LedgerKind::Correction, ..row.clone() },
            LedgerEntry { hold_id: None, ..row.clone() },
            LedgerEntry { tokens_held: None, ..row },
        ] {
            assert_eq!(ChargedHold::of(&other), None);
        }
    }
}
