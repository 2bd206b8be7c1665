//! What people call the things that a log tells of.

use std::collections::{BTreeSet, HashMap};

use keystile_core::llm::PriceVersion;
use keystile_core::quota::{LedgerEntry, OpenHold, SpendBy, SpendSum};
use keystile_core::{Actor, Delivery, Job, LoggedRequest, Model, SealedEntry, StoredEvent};
use keystile_measure::SPANS;
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Names by id.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// What the thing with this id is called; of a part of something, such as `app_…/orders:read`, what it is a part of.
    pub fn of(&self, id: &str) -> Option<&str> {
        self.0.get(whole(id)).map(String::as_str)
    }
}

impl ControlPlane {
    /// What those who act in these entries of the tenant's log, and what they act on, are called now. Names of deleted things
    /// are known; those of nothing that is kept, such as sessions, are not. Entries of another tenant give none.
    ///
    /// # Errors
    /// Without [`Right::ReadAudit`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in(&self, caller: &Caller, entries: &[SealedEntry]) -> Result<Names, Refused> {
        caller.require(Right::ReadAudit)?;
        let own =
            entries.iter().map(|sealed| &sealed.entry).filter(|entry| entry.tenant_id == caller.tenant_id);
        let ids: BTreeSet<String> =
            own.flat_map(|entry| [entry.actor.to_string(), whole(&entry.target).to_owned()]).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What the keys and persons in these requests of the tenant's log are called now, deleted keys included. Requests in another
    /// tenant's log give none, and whoever asked about a key of the tenant has a name here only as a member.
    ///
    /// # Errors
    /// Without [`Right::ReadLogs`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_requests(
        &self,
        caller: &Caller,
        requests: &[LoggedRequest],
    ) -> Result<Names, Refused> {
        caller.require(Right::ReadLogs)?;
        let own: Vec<_> = requests.iter().filter(|request| request.tenant_id == caller.tenant_id).collect();
        let mut ids: BTreeSet<String> = own.iter().flat_map(|request| things_of(request)).collect();
        // They may be of another tenant, whose people this one does not know.
        let asked = own.iter().filter(|request| request.key_id.is_some());
        let askers: BTreeSet<_> =
            asked.filter_map(|request| request.caller.and_then(Actor::person)).collect();
        for person in askers {
            if self.store.member(caller.tenant_id, person).await?.is_some() {
                ids.insert(person.to_string());
            }
        }
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }
}

/// The ids of what a request tells of that has a name in its tenant.
fn things_of(request: &LoggedRequest) -> impl Iterator<Item = String> {
    let key = request.key_id.map(|id| id.to_string());
    let application = request.application_id.map(|id| id.to_string());
    let customer = request.customer_id.map(|id| id.to_string());
    let is_own = |caller: &Actor| request.key_id.is_none() || caller.person().is_none();
    let caller = request.caller.filter(is_own).map(|caller| caller.to_string());
    [key, application, customer, caller].into_iter().flatten()
}

impl ControlPlane {
    /// What those are called who have asked for these jobs of the tenant.
    ///
    /// # Errors
    /// Without [`Right::ReadKeys`], by which jobs are seen.
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_jobs(&self, caller: &Caller, jobs: &[Job]) -> Result<Names, Refused> {
        caller.require(Right::ReadKeys)?;
        let own = jobs.iter().filter(|job| job.tenant_id == caller.tenant_id);
        let ids: BTreeSet<String> = own.map(|job| job.actor.to_string()).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What those are called who provide these models of the tenant.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_models(&self, caller: &Caller, models: &[Model]) -> Result<Names, Refused> {
        caller.require(Right::ReadTenant)?;
        let own = models.iter().filter(|model| model.tenant_id == caller.tenant_id);
        let ids: BTreeSet<String> = own.map(|model| model.provider_id.to_string()).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What those are called who have set these prices of a model of the tenant.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_prices(&self, caller: &Caller, prices: &[PriceVersion]) -> Result<Names, Refused> {
        caller.require(Right::ReadTenant)?;
        let ids: BTreeSet<String> = prices.iter().map(|price| price.set_by.to_string()).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What the keys, customers or applications are called now that spending of the tenant is told by; of models and days nothing is
    /// looked for, as they are their own names.
    ///
    /// # Errors
    /// Without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_spend(
        &self,
        caller: &Caller,
        by: SpendBy,
        sums: &[SpendSum],
    ) -> Result<Names, Refused> {
        caller.require(Right::ReadSpend)?;
        let ids: BTreeSet<String> = match by {
            SpendBy::Key | SpendBy::Customer | SpendBy::Application => {
                sums.iter().filter_map(|sum| sum.name.clone()).collect()
            }
            SpendBy::Model | SpendBy::Day => BTreeSet::new(),
        };
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What the keys, applications, customers and providers in these rows of the tenant's ledger are called now, and those who corrected or settled something.
    ///
    /// # Errors
    /// Without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_ledger(&self, caller: &Caller, rows: &[LedgerEntry]) -> Result<Names, Refused> {
        caller.require(Right::ReadSpend)?;
        let own = rows.iter().filter(|row| row.whose.tenant_id == caller.tenant_id);
        let ids: BTreeSet<String> = own.flat_map(things_in_row).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What the keys are called now that these holds of the tenant are for.
    ///
    /// # Errors
    /// Without [`Right::ReadSpend`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_holds(&self, caller: &Caller, holds: &[OpenHold]) -> Result<Names, Refused> {
        caller.require(Right::ReadSpend)?;
        let own = holds.iter().filter(|hold| hold.whose.tenant_id == caller.tenant_id);
        let ids: BTreeSet<String> = own.map(|hold| hold.whose.key_id.to_string()).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }

    /// What the key and the application of an event of the tenant are called now, be they there or deleted.
    ///
    /// # Errors
    /// Without [`Right::ReadEvents`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_event(&self, caller: &Caller, event: &StoredEvent) -> Result<Names, Refused> {
        caller.require(Right::ReadEvents)?;
        let ids = [event.stamp.key_id.to_string(), event.stamp.application_id.to_string()];
        Ok(Names(self.store.names(caller.tenant_id, ids.into()).await?))
    }

    /// What the keys are called now that these messages to webhooks of the tenant are about, be they there or deleted.
    ///
    /// # Errors
    /// Without [`Right::ManageWebhooks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn names_in_deliveries(
        &self,
        caller: &Caller,
        deliveries: &[Delivery],
    ) -> Result<Names, Refused> {
        caller.require(Right::ManageWebhooks)?;
        let own = deliveries.iter().filter(|delivery| delivery.tenant_id == caller.tenant_id);
        let ids: BTreeSet<String> = own.map(|delivery| delivery.key_id.to_string()).collect();
        Ok(Names(self.store.names(caller.tenant_id, ids.into_iter().collect()).await?))
    }
}

/// The ids of what a row of the ledger tells of that has a name in its tenant.
fn things_in_row(row: &LedgerEntry) -> impl Iterator<Item = String> {
    let key = Some(row.whose.key_id.to_string());
    let application = Some(row.whose.application_id.to_string());
    let customer = row.whose.customer_id.map(|id| id.to_string());
    let provider = row.provider_id.map(|id| id.to_string());
    let by = row.by.map(|by| by.to_string());
    [key, application, customer, provider, by].into_iter().flatten()
}

fn whole(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}
