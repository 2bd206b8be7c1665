//! The end of holds: what they are charged, and who is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keystile_core::llm::Consumption;
use keystile_core::quota::{
    Actual, Basis, Charge, ChargedHold, LedgerEntry, LedgerKind, MOST_CHARGED, MOST_COUNTED, OpenHold,
    Ruling, SettledHold, Settlement,
};
use keystile_core::{HoldId, LedgerId, NanoUsd, ProviderId, TenantId, Timestamp};

use super::Quota;
use super::account::Account;
use super::bid::tidied;
use super::handed::{Ended, Handed};
use super::hold::Settled;
use super::queue::{Asked, Paid, Queued};

/// What is known of a hold that somebody has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// It is settled, and nobody else can have settled it.
    Done(SettledHold),
    /// It is settled here, and another server may have settled or charged it, too: the first that was written counts. The ledger tells,
    /// once [`crate::Verifier::flush_spend`] has written what is here.
    Claimed,
}

/// Why a hold cannot be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// No such hold is open. It may have been settled long ago.
    #[error("no such hold is open")]
    Unknown,
    /// It was settled otherwise, or charged, a moment ago.
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

    fn by_caller(actual: &Actual) -> Self {
        let used = Consumption { input: actual.noted_tokens(), ..Consumption::default() };
        Self {
            tokens: actual.tokens,
            cost: actual.cost,
            used,
            basis: actual.basis(),
            ruling: actual.ruling.clone(),
            ..Self::in_full()
        }
    }
}

impl Quota {
    /// Ends a hold that whoever has it in hand settles; nothing happens if it was charged in full meanwhile.
    pub(super) fn settle(&self, account: &Arc<Account>, id: HoldId, report: Report) {
        let _ended = self.end(account, id, report, Asked::ByNobody);
    }

    /// Ends a hold; `None` if it is not open.
    fn end(&self, account: &Arc<Account>, id: HoldId, report: Report, asked: Asked) -> Option<Ended> {
        let at = self.clock.now();
        let report = report.within_bounds();
        let said = (report.tokens, report.cost);
        let (held, charge) = account.lock().settle(id, said, self.clock.elapsed_millis())?;
        let is_noted = held.is_written;
        let is_contested = held.is_contested || !self.standing.is_good();
        let hold = held.hold;
        let (tenant_id, budget) = (hold.whose.tenant_id, hold.budget);
        let audit = report.ruling.as_ref().map(|ruling| ruling.audit.clone());
        let entry = entry(hold, report, charge, at);
        let charged = ChargedHold::of(&entry);
        let settlement = Settlement { budget, from_lease: charge.from_lease, is_noted, audit, entry };
        let account = Arc::clone(account);
        let paid = Paid { account, budget, charge, is_contested, asked };
        self.queue.push(Queued { settlement, paid });
        charged.map(|charged| Ended { tenant_id, charged, is_contested })
    }

    /// Ends a hold, and remembers what became of it until the ledger tells. `handed` is locked from before it is looked for, so that whoever
    /// asks meanwhile finds it open, or ended.
    fn end_handed(
        &self,
        handed: &mut Handed,
        account: &Arc<Account>,
        id: HoldId,
        report: Report,
    ) -> Option<Ended> {
        let ended = self.end(account, id, report, Asked::ById)?;
        handed.end(ended);
        Some(ended)
    }

    /// Ends a hold of which nothing was used.
    pub(super) fn release(&self, account: &Account, id: HoldId) {
        if account.lock().release(id, self.clock.elapsed_millis()) {
            self.queue.leave_place();
        }
    }

    /// A caller is told of a hold.
    pub(super) fn hand_over(&self, id: HoldId, account: &Arc<Account>) {
        let mut handed = self.handed.lock();
        let tenant_id = account.lock().hold(id).map(|hold| hold.whose.tenant_id);
        if let Some(tenant_id) = tenant_id {
            handed.add(tenant_id, id, account);
        }
    }

    /// Ends a hold by its id, for its tenant; of one that has ended it tells whether that was the same.
    pub(crate) fn settle_by_id(
        &self,
        tenant_id: TenantId,
        id: HoldId,
        actual: &Actual,
    ) -> Result<Settling, SettleError> {
        let mut handed = self.handed.lock();
        let account = self.account_with(&handed, (tenant_id, id), actual.ruling.is_some());
        let ended =
            account.and_then(|account| self.end_handed(&mut handed, &account, id, Report::by_caller(actual)));
        let ended = ended.or_else(|| handed.ended(tenant_id, id));
        drop(handed);
        match ended {
            Some(Ended { is_contested: true, .. }) => Ok(Settling::Claimed),
            Some(Ended { charged, .. }) => {
                actual.told_of(&charged).map(Settling::Done).ok_or(SettleError::Over)
            }
            None if actual.ruling.is_some() && self.queue.has(tenant_id, id) => Err(SettleError::Over),
            None => Err(SettleError::Unknown),
        }
    }

    /// Where a hold of the tenant is open. Those that callers were told of are found at once; others, which are the gateway's to settle,
    /// only for a person who rules on them.
    fn account_with(
        &self,
        handed: &Handed,
        (tenant_id, id): (TenantId, HoldId),
        is_ruled: bool,
    ) -> Option<Arc<Account>> {
        let has_it = |account: &Arc<Account>| {
            account.lock().hold(id).is_some_and(|hold| hold.whose.tenant_id == tenant_id)
        };
        match handed.account_of(id) {
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
                let ended = self.end_handed(&mut self.handed.lock(), &account, id, Report::in_full());
                if ended.is_some() {
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
        tokens_held: Some(hold.tokens),
        cost: charge.cost,
        request_id: hold.request_id,
        corrects: None,
        reason,
        by,
    }
}
