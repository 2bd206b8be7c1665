//! Language models: who provides them, what a tenant offers of them, and what they cost. Where a provider is concerns those alone who
//! may change it; what is offered, and for which price, whoever sees the tenant.

mod import;
mod models;
mod providers;

use keystile_core::{Change, TenantId};
use keystile_store::StoreError;

use crate::touched::Touched;
use crate::{Committed, Refused};

pub use import::{ImportedModel, ImportedModels, ModelImport, TableSource};
pub use models::ModelQuery;
pub use providers::KnownProvider;

/// What came of a change of what a tenant's gateway may send requests to.
fn supplied<T>(tenant_id: TenantId, outcome: Result<T, StoreError>) -> Result<Committed<T>, Refused> {
    let change = Change::of_upstreams(tenant_id);
    let value = Touched::known(change.clone()).outcome(outcome)?;
    Ok(Committed { value, change })
}
