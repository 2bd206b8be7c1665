//! Making, changing and showing applications.

use keystile_core::{Action, Application, ApplicationId, ApplicationPatch, LimitedId, Name};
use keystile_measure::SPANS;
use keystile_store::Page;
use serde_json::{Map, Value, json};
use tracing::instrument;

use crate::audit::object;
use crate::edit::{Edited, edit, edited};
use crate::{Caller, Committed, ControlPlane, Refused, Right, VersionGuard};

impl ControlPlane {
    /// Makes an application in the caller's tenant.
    ///
    /// # Errors
    /// Without [`Right::ManageApplications`]; when the name is taken, or a limit breaks a rule.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_application(
        &self,
        caller: &Caller,
        name: Name,
        settings: ApplicationPatch,
    ) -> Result<Application, Refused> {
        caller.require(Right::ManageApplications)?;
        let id = self.fresh(ApplicationId::from_parts)?;
        let mut application = Application::new(id, caller.tenant_id, name, self.now());
        let made = application.created_at;
        settings.apply(&mut application, made)?;
        let changes = Value::Object(application.describe());
        let entry = self.entry(caller, Action::ApplicationCreate, id.to_string(), changes)?;
        self.store.create_application(application.clone(), entry).await?;
        Ok(application)
    }

    /// Changes an application of the caller's tenant. One that is archived takes no new keys; those it has stay good.
    ///
    /// # Errors
    /// Without [`Right::ManageApplications`]; for a name that is taken, or a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_application(
        &self,
        caller: &Caller,
        id: ApplicationId,
        patch: ApplicationPatch,
        guard: VersionGuard,
    ) -> Result<Committed<Application>, Refused> {
        caller.require(Right::ManageApplications)?;
        let entry = self.entry(caller, Action::ApplicationUpdate, id.to_string(), Value::Null)?;
        let change = move |application: &mut Application| {
            edit(application, guard, entry, |application, now| {
                patch.apply(application, now).map_err(Refused::from)
            })
        };
        let changed = self.store.change_application(caller.tenant_id, id, change).await;
        edited(changed, LimitedId::Application(id), Refused::NotFound("application"))
    }

    /// One application of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without
    /// [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn application(&self, caller: &Caller, id: ApplicationId) -> Result<Application, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.application(caller.tenant_id, id).await?.ok_or(Refused::NotFound("application"))
    }

    /// A page of the tenant's applications, newest first, with those that are archived or without.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn applications(
        &self,
        caller: &Caller,
        include_archived: bool,
        page: Page<ApplicationId>,
    ) -> Result<Vec<Application>, Refused> {
        caller.require(Right::ReadTenant)?;
        Ok(self.store.applications(caller.tenant_id, include_archived, page).await?)
    }
}

impl Edited for Application {
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }

    fn describe(&self) -> Map<String, Value> {
        object(json!({
            "name": self.name,
            "description": self.description,
            "rpm_limit": self.limits.rpm,
            "rate_limits": self.limits.rates,
            "archived_at": self.archived_at,
        }))
    }
}
