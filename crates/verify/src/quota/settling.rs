//! The end of holds: what they are charged, and who is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keystile_core::llm::Consumption;
use keystile_core::quota::{
    Basis, Charge, HoldState, LedgerEntry, LedgerKind, OpenHold, Origin, Settlement, Whose,
};
use keystile_core::{Actor, AuditEntry, HoldId, LedgerId, NanoUsd, ProviderId, TenantId, Timestamp};

use super::Quota;
use super::account::Account;
use super::bid::tidied;
use super::hold::Settled;
use super::queue::{Paid, Queued};

/// Most that one request is charged: beyond every budget there can be, as the bound of what is held is. Sums of many stay within an integer.
const MOST_CHARGED: NanoUsd = NanoUsd::from_nanos(i64::MAX / 1_000);
/// Most that is noted of each kind of what one request has used: far more than any can.
const MOST_COUNTED: u64 = 1_000_000_000_000;

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
    /// Whose request it was for.
    pub whose: Whose,
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

/// Why a hold cannot be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// No such hold is open. It may have been settled long ago.
    #[error("no such hold is open")]
    Unknown,
    /// It was settled or charged a moment ago.
    #[error("the hold is settled")]
    Over,
}

/// What a charge is made of; `None` stands for what was held.
pub(super) struct Report {
    tokens: Option<u64>,
    cost: Option<NanoUsd>,
    used: Consumption,
    basis: Basis,
    model: Box<str>,
    provider_id: Option<ProviderId>,
    price_version: Option<u32>,
    ruling: Option<Ruling>,
}

impl Report {
    /// Upstreams may say anything.
    fn within_bounds(self) -> Self {
        let Consumption { input, cached_input, cache_write, output, images, characters, audio_millis } =
            self.used;
        let used = Consumption {
            input: input.min(MOST_COUNTED),
            cached_input: cached_input.min(MOST_COUNTED),
            cache_write: cache_write.min(MOST_COUNTED),
            output: output.min(MOST_COUNTED),
            images: images.min(MOST_COUNTED),
            characters: characters.min(MOST_COUNTED),
            audio_millis: audio_millis.min(MOST_COUNTED),
        };
        Self { cost: self.cost.map(|cost| cost.min(MOST_CHARGED)), used, ..self }
    }

    pub(super) fn of(actual: Settled) -> Self {
        Self {
            tokens: Some(actual.used.tokens()),
            cost: Some(actual.cost),
            used: actual.used,
            basis: actual.basis,
            model: actual.model,
            provider_id: actual.provider_id,
            price_version: actual.price_version,
            ruling: None,
        }
    }

    /// Nobody knows what was used.
    pub(super) fn in_full() -> Self {
        Self {
            tokens: None,
            cost: None,
            used: Consumption::default(),
            basis: Basis::Hold,
            model: Box::default(),
            provider_id: None,
            price_version: None,
            ruling: None,
        }
    }

    /// Callers do not tell kinds of tokens apart. Whoever tells neither tokens nor money has nothing charged but the hold.
    fn by_caller(actual: Actual) -> Self {
        let basis =
            if actual.tokens.is_none() && actual.cost.is_none() { Basis::Hold } else { Basis::Counted };
        let used = Consumption { input: actual.tokens.unwrap_or(0), ..Consumption::default() };
        Self {
            tokens: actual.tokens,
            cost: actual.cost,
            used,
            basis,
            ruling: actual.ruling,
            ..Self::in_full()
        }
    }
}

impl Quota {
    /// Ends a hold; `None` if it is not open.
    pub(super) fn settle(&self, account: &Arc<Account>, id: HoldId, report: Report) -> Option<SettledHold> {
        let at = self.clock.now();
        let report = report.within_bounds();
        let (tokens, cost) = (report.tokens, report.cost);
        let (held, charge) = account.lock().settle(id, (tokens, cost), self.clock.elapsed_millis())?;
        let is_noted = held.is_written;
        let hold = held.hold;
        self.forget_handed(&hold);
        let settled = SettledHold {
            id,
            whose: hold.whose,
            state: if report.basis == Basis::Hold { HoldState::Charged } else { HoldState::Settled },
            held: hold.cost,
            charged: charge.cost,
            tokens_held: hold.tokens,
            tokens_used: tokens.unwrap_or(hold.tokens),
        };
        let (budget, audit) = (hold.budget, report.ruling.as_ref().map(|ruling| ruling.audit.clone()));
        let settlement = Settlement {
            budget,
            from_lease: charge.from_lease,
            is_noted,
            audit,
            entry: entry(hold, report, charge, at),
        };
        let paid = Paid { account: Arc::clone(account), budget, charge };
        self.queue.push(Queued { settlement, paid });
        Some(settled)
    }

    /// Ends a hold of which nothing was used.
    pub(super) fn release(&self, account: &Account, id: HoldId) {
        if account.lock().release(id, self.clock.elapsed_millis()) {
            self.queue.leave_place();
        }
    }

    /// A caller is told of a hold.
    pub(super) fn hand_over(&self, id: HoldId, account: &Arc<Account>) {
        let tenant_id = account.lock().hold(id).map(|hold| hold.whose.tenant_id);
        if let Some(tenant_id) = tenant_id {
            self.handed.lock().add(tenant_id, id, account);
        }
    }

    fn forget_handed(&self, hold: &OpenHold) {
        if hold.origin == Origin::Caller {
            self.handed.lock().remove(hold.whose.tenant_id, hold.id);
        }
    }

    /// Ends a hold by its id, for its tenant.
    pub(crate) fn settle_by_id(
        &self,
        tenant_id: TenantId,
        id: HoldId,
        actual: Actual,
    ) -> Result<SettledHold, SettleError> {
        let account = self.account_with(tenant_id, id, actual.ruling.is_some());
        let settled = account.and_then(|account| self.settle(&account, id, Report::by_caller(actual)));
        settled.ok_or_else(|| {
            if self.queue.has(tenant_id, id) { SettleError::Over } else { SettleError::Unknown }
        })
    }

    /// Where a hold of the tenant is open. Those that callers were told of are found at once; others, which are the gateway's to settle,
    /// only for a person who rules on them.
    fn account_with(&self, tenant_id: TenantId, id: HoldId, is_ruled: bool) -> Option<Arc<Account>> {
        let has_it = |account: &Arc<Account>| {
            account.lock().hold(id).is_some_and(|hold| hold.whose.tenant_id == tenant_id)
        };
        let handed = self.handed.lock().account_of(id);
        match handed {
            Some(account) => has_it(&account).then_some(account),
            None if is_ruled => self.active().into_iter().find(has_it),
            None => None,
        }
    }

    /// Charges in full what nobody has settled in time.
    pub(super) fn charge_overdue(&self) {
        let now = self.clock.elapsed_millis();
        for account in self.active() {
            let overdue = account.lock().overdue(now);
            for id in overdue {
                if self.settle(&account, id, Report::in_full()).is_some() {
                    self.overdue.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

fn entry(hold: OpenHold, report: Report, charge: Charge, at: Timestamp) -> LedgerEntry {
    let (by, reason) = report.ruling.map_or((None, None), |ruling| (Some(ruling.by), ruling.reason));
    LedgerEntry {
        id: LedgerId::from_parts(at, hold.id.as_u128()),
        kind: LedgerKind::Charge,
        whose: hold.whose,
        at,
        opened_at: hold.opened_at,
        hold_id: Some(hold.id),
        model: if report.model.is_empty() { hold.model } else { tidied(report.model) },
        provider_id: report.provider_id,
        price_version: report.price_version,
        basis: Some(report.basis),
        used: report.used,
        held: hold.cost,
        cost: charge.cost,
        request_id: hold.request_id,
        corrects: None,
        reason,
        by,
    }
}
