//! Making and showing applications.

use keystile_core::{Action, Application, ApplicationId, Name};
use keystile_store::Page;
use serde_json::json;

use crate::{Caller, ControlPlane, Refused, Right};

impl ControlPlane {
    /// Makes an application in the caller's tenant.
    ///
    /// # Errors
    /// Without [`Right::ManageApplications`], or when the name is taken.
    pub async fn create_application(&self, caller: &Caller, name: Name) -> Result<Application, Refused> {
        caller.require(Right::ManageApplications)?;
        let id = self.fresh(ApplicationId::from_parts)?;
        let application = Application { id, tenant_id: caller.tenant_id, name, created_at: self.now() };
        let changes = json!({ "name": application.name });
        let entry = self.entry(caller, Action::ApplicationCreate, id.to_string(), changes)?;
        self.store.create_application(application.clone(), entry).await?;
        Ok(application)
    }

    /// One application of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without
    /// [`Right::ReadTenant`].
    pub async fn application(&self, caller: &Caller, id: ApplicationId) -> Result<Application, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.application(caller.tenant_id, id).await?.ok_or(Refused::NotFound("application"))
    }

    /// A page of the tenant's applications, newest first.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    pub async fn applications(
        &self,
        caller: &Caller,
        page: Page<ApplicationId>,
    ) -> Result<Vec<Application>, Refused> {
        caller.require(Right::ReadTenant)?;
        Ok(self.store.applications(caller.tenant_id, page).await?)
    }
}
