//! What people call the things that an audit log tells of.

use std::collections::{BTreeSet, HashMap};

use keystile_core::{Job, SealedEntry};
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
}

fn whole(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}
