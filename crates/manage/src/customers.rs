//! Customers, to whom keys can be restricted.

use keystile_core::{
    Action, Customer, CustomerId, CustomerPatch, Invalid, LimitedId, Name, RequestLimits, RequestLimitsPatch,
    TenantId,
};
use keystile_measure::SPANS;
use keystile_store::{CustomerFilter, Page};
use serde_json::{Map, Value, json};
use tracing::instrument;

use crate::audit::object;
use crate::edit::{Edited, edit, edited};
use crate::refused::customer_archived;
use crate::{Caller, Committed, ControlPlane, Lacking, Refused, Right, VersionGuard};

/// Which customers to list.
pub type CustomerQuery = CustomerFilter;

const CUSTOMER: Refused = Refused::NotFound("customer");

/// A checked request for a new customer.
#[derive(Debug, Clone)]
pub struct CustomerDraft {
    /// What people call it.
    pub name: Name,
    /// All other settings.
    pub settings: CustomerPatch,
}

impl ControlPlane {
    /// Makes a customer in the caller's tenant.
    ///
    /// # Errors
    /// Without [`Right::ManageCustomers`]; for a key that is restricted to one customer; when the external id is
    /// taken; for metadata that breaks a rule.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_customer(&self, caller: &Caller, draft: CustomerDraft) -> Result<Customer, Refused> {
        caller.require(Right::ManageCustomers)?;
        if own_customer(caller).is_some() {
            let lacking = Lacking::Own("any customer but its own".to_owned());
            return Err(Refused::Forbidden(lacking));
        }
        let (id, created_at) = (self.fresh(CustomerId::from_parts)?, self.now());
        let mut customer = Customer {
            id,
            tenant_id: caller.tenant_id,
            name: draft.name,
            external_id: None,
            metadata: Map::new(),
            limits: RequestLimits::default(),
            created_at,
            archived_at: None,
            version: 1,
        };
        draft.settings.apply(&mut customer, created_at)?;
        let changes = Value::Object(customer.describe());
        let entry = self.entry(caller, Action::CustomerCreate, id.to_string(), changes)?;
        self.store.create_customer(customer.clone(), entry).await?;
        Ok(customer)
    }

    /// Changes a customer of the caller's tenant. To one that is archived no new keys are restricted.
    ///
    /// # Errors
    /// Without [`Right::ManageCustomers`]; for what a key that is restricted to the customer cannot change; when the
    /// external id is taken; for metadata that breaks a rule, or a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_customer(
        &self,
        caller: &Caller,
        id: CustomerId,
        patch: CustomerPatch,
        guard: VersionGuard,
    ) -> Result<Committed<Customer>, Refused> {
        caller.require(Right::ManageCustomers)?;
        require_seen(caller, id)?;
        if own_customer(caller).is_some() && bounds_or_names(&patch) {
            return Err(Refused::Forbidden(Lacking::OverCustomer));
        }
        let entry = self.entry(caller, Action::CustomerUpdate, id.to_string(), Value::Null)?;
        let change = move |customer: &mut Customer| {
            edit(customer, guard, entry, |customer, now| patch.apply(customer, now).map_err(Refused::from))
        };
        let changed = self.store.change_customer(caller.tenant_id, id, change).await;
        edited(changed, LimitedId::Customer(id), CUSTOMER)
    }

    /// One customer of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadCustomers`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn customer(&self, caller: &Caller, id: CustomerId) -> Result<Customer, Refused> {
        caller.require(Right::ReadCustomers)?;
        require_seen(caller, id)?;
        self.store.customer(caller.tenant_id, id).await?.ok_or(CUSTOMER)
    }

    /// A page of the tenant's customers, newest first; for a key that is restricted to one, that one.
    ///
    /// # Errors
    /// Without [`Right::ReadCustomers`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn customers(
        &self,
        caller: &Caller,
        query: &CustomerQuery,
        page: Page<CustomerId>,
    ) -> Result<Vec<Customer>, Refused> {
        caller.require(Right::ReadCustomers)?;
        let within = CustomerQuery { id: own_customer(caller), ..query.clone() };
        Ok(self.store.customers(caller.tenant_id, &within, page).await?)
    }

    /// Goes on only when a key can be restricted to this customer, or is to none.
    pub(crate) async fn require_customer(
        &self,
        tenant_id: TenantId,
        id: Option<CustomerId>,
    ) -> Result<(), Refused> {
        let Some(id) = id else { return Ok(()) };
        match self.store.customer(tenant_id, id).await? {
            Some(customer) if customer.archived_at.is_none() => Ok(()),
            Some(_) => Err(customer_archived().into()),
            None => Err(Invalid::new("customer_id", "must be a customer of this tenant").into()),
        }
    }
}

/// The one customer that a key as caller is restricted to.
fn own_customer(caller: &Caller) -> Option<CustomerId> {
    caller.reach().and_then(|reach| reach.customer_id)
}

/// Whether it changes what the tenant holds its customer to.
fn bounds_or_names(patch: &CustomerPatch) -> bool {
    patch.limits != RequestLimitsPatch::default() || patch.external_id.is_some() || patch.archived.is_some()
}

fn require_seen(caller: &Caller, id: CustomerId) -> Result<(), Refused> {
    if own_customer(caller).is_none_or(|own| own == id) { Ok(()) } else { Err(CUSTOMER) }
}

impl Edited for Customer {
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }

    fn describe(&self) -> Map<String, Value> {
        object(json!({
            "name": self.name,
            "external_id": self.external_id,
            "metadata": self.metadata,
            "rpm_limit": self.limits.rpm,
            "rate_limits": self.limits.rates,
            "archived_at": self.archived_at,
        }))
    }
}
