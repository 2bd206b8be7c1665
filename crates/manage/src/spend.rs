//! What keys have spent, what they hold, and correcting what they were charged.

use keystile_core::llm::Consumption;
use keystile_core::quota::{Day, LedgerEntry, LedgerKind, OpenHold, SpendBy, Spending};
use keystile_core::{
    Action, Actor, ApiKey, AuditEntry, BudgetPeriod, Change, HoldId, KeyId, KeyKind, LedgerId, NanoUsd,
};
use keystile_measure::SPANS;
use keystile_store::{Corrected, LedgerFilter, Page, SpentOf};
use serde_json::{Value, json};
use tracing::instrument;

use crate::touched::Touched;
use crate::{Caller, Committed, Conflict, ControlPlane, Refused, Right};

const ENTRY: Refused = Refused::NotFound("row of the ledger");
const HOLD: Refused = Refused::NotFound("hold");

/// Which rows of the ledger to list.
pub type LedgerQuery = LedgerFilter;

/// Whose spending to tell.
pub type SpendFilter = keystile_store::SpendFilter;

/// Somebody who may settle a hold in another's place.
#[derive(Debug)]
pub struct HoldRuling {
    /// Who.
    pub by: Actor,
    /// What the audit log is to be told together with the charge.
    pub audit: AuditEntry,
}

impl ControlPlane {
    /// A page of the holds of the caller's tenant that are open, latest first, as far as that is written down.
    ///
    /// # Errors
    /// Without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn open_holds(
        &self,
        caller: &Caller,
        key_id: Option<KeyId>,
        page: Page<HoldId>,
    ) -> Result<Vec<OpenHold>, Refused> {
        caller.require(Right::ReadSpend)?;
        Ok(self.store.open_holds(caller.tenant_id, key_id, page).await?)
    }

    /// One hold of the caller's tenant, if it is open, as far as that is written down.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is not open, or another tenant's; without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn open_hold(&self, caller: &Caller, id: HoldId) -> Result<OpenHold, Refused> {
        caller.require(Right::ReadSpend)?;
        self.store.open_hold(caller.tenant_id, id).await?.ok_or(HOLD)
    }

    /// A page of what the caller's tenant was charged, latest first, as far as that is written down.
    ///
    /// # Errors
    /// Without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn ledger(
        &self,
        caller: &Caller,
        query: &LedgerQuery,
        page: Page<LedgerId>,
    ) -> Result<Vec<LedgerEntry>, Refused> {
        caller.require(Right::ReadSpend)?;
        Ok(self.store.ledger(caller.tenant_id, query, page).await?)
    }

    /// One row of what the caller's tenant was charged.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn ledger_entry(&self, caller: &Caller, id: LedgerId) -> Result<LedgerEntry, Refused> {
        caller.require(Right::ReadSpend)?;
        self.store.ledger_entry(caller.tenant_id, id).await?.ok_or(ENTRY)
    }

    /// What was spent in the caller's tenant on requests that began in these days, as far as that is written down.
    ///
    /// # Errors
    /// Without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn spend(
        &self,
        caller: &Caller,
        by: SpendBy,
        days: (Day, Day),
        filter: &SpendFilter,
    ) -> Result<Spending, Refused> {
        caller.require(Right::ReadSpend)?;
        Ok(self.store.spend(caller.tenant_id, by, days, filter).await?)
    }

    /// What it takes for the caller to settle a hold by hand. The hold need not exist; nothing is done yet.
    ///
    /// # Errors
    /// Without [`Right::CorrectSpend`].
    pub fn rule_on_hold(
        &self,
        caller: &Caller,
        id: HoldId,
        (tokens, cost): (Option<u64>, Option<NanoUsd>),
        reason: Option<&str>,
    ) -> Result<HoldRuling, Refused> {
        caller.require(Right::CorrectSpend)?;
        let changes = json!({
            "tokens": tokens,
            "cost_usd": cost.map(NanoUsd::to_dollars),
            "reason": reason,
        });
        let audit = self.entry(caller, Action::HoldSettle, id.to_string(), changes)?;
        Ok(HoldRuling { by: caller.actor, audit })
    }

    /// Corrects what was charged, by another row for the difference. What is spent of the budget that paid follows.
    ///
    /// # Errors
    /// Without [`Right::CorrectSpend`]; for a row that is unknown, another tenant's, or a correction itself.
    #[instrument(target = SPANS, skip_all)]
    pub async fn correct_charge(
        &self,
        caller: &Caller,
        id: LedgerId,
        amount: NanoUsd,
        reason: Box<str>,
    ) -> Result<Committed<Corrected>, Refused> {
        caller.require(Right::CorrectSpend)?;
        let row = self.store.ledger_entry(caller.tenant_id, id).await?.ok_or(ENTRY)?;
        let change = Change::of_budget(row.whose.lineage_id.unwrap_or(row.whose.key_id));
        let entry = self.entry(caller, Action::LedgerCorrect, id.to_string(), Value::Null)?;
        let correction_id = self.fresh(LedgerId::from_parts)?;
        let by = caller.actor;
        let correct = move |row: &LedgerEntry, before: NanoUsd| {
            let difference = NanoUsd::from_nanos(amount.as_nanos() - before.as_nanos());
            match row.kind {
                LedgerKind::Correction => return Err(Refused::Conflict(Conflict::IsCorrection)),
                LedgerKind::Charge | LedgerKind::Lost if difference == NanoUsd::ZERO => return Ok(None),
                LedgerKind::Charge | LedgerKind::Lost => {}
            }
            let changes = json!({
                "amount_usd": { "before": before.to_dollars(), "after": amount.to_dollars() },
                "reason": reason,
            });
            let correction = correction(row, (correction_id, difference), (by, reason));
            Ok(Some((correction, AuditEntry { changes, ..entry })))
        };
        let corrected = self.store.correct_charge(caller.tenant_id, id, correct).await;
        let found = Touched::known(change.clone()).outcome(corrected)?;
        Ok(Committed { value: found.ok_or(ENTRY)??, change })
    }

    /// Tells of each key what its lineage has spent in the present period of its budget, or in all time if it has none.
    pub(crate) async fn tell_spend(&self, keys: &mut [ApiKey]) -> Result<(), Refused> {
        let now = self.now();
        let spenders: Vec<&mut ApiKey> = keys.iter_mut().filter(|key| may_spend(key)).collect();
        if spenders.is_empty() {
            return Ok(());
        }
        let of = |key: &&mut ApiKey| SpentOf {
            lineage_id: key.lineage_id,
            span: key.limits.budget_period.span_at(now),
        };
        let of: Vec<SpentOf> = spenders.iter().map(of).collect();
        let spent = self.store.spent(&of).await?;
        for (key, spent) in spenders.into_iter().zip(spent) {
            // What it brought along from elsewhere is of no period.
            let brought = match key.limits.budget_period {
                BudgetPeriod::Lifetime => key.limits.spend,
                BudgetPeriod::Day | BudgetPeriod::Week | BudgetPeriod::Month => NanoUsd::ZERO,
            };
            key.limits.spend = NanoUsd::from_nanos(spent.as_nanos() + brought.as_nanos());
        }
        Ok(())
    }

    /// A key that was changed a moment ago, with what its lineage has spent, if that can be read now.
    pub async fn with_spend(&self, mut key: ApiKey) -> ApiKey {
        if let Err(refused) = self.tell_spend(std::slice::from_mut(&mut key)).await {
            tracing::debug!(%refused, "what a key has spent cannot be read now");
        }
        key
    }
}

/// Whether anything can have been charged to it: keys of other kinds that have neither such a limit are seldom charged, and lists need not
/// look for that.
fn may_spend(key: &ApiKey) -> bool {
    let for_models = match key.kind {
        KeyKind::VirtualLlm { .. } => true,
        KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => false,
    };
    for_models || key.limits.max_budget.is_some() || key.limits.tpm.is_some()
}

fn correction(
    row: &LedgerEntry,
    (id, difference): (LedgerId, NanoUsd),
    (by, reason): (Actor, Box<str>),
) -> LedgerEntry {
    LedgerEntry {
        id,
        kind: LedgerKind::Correction,
        at: id.made_at(),
        hold_id: None,
        basis: None,
        used: Consumption::default(),
        held: NanoUsd::ZERO,
        tokens_held: None,
        cost: difference,
        corrects: Some(row.id),
        reason: Some(reason),
        by: Some(by),
        ..row.clone()
    }
}
