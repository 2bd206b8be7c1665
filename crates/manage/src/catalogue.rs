//! The permission catalogues of applications.

use keystile_core::{Action, ApplicationId, AuditEntry, CatalogueEntry, Name, PermissionName};
use keystile_measure::SPANS;
use keystile_store::{CataloguePage, SetPermission};
use serde_json::{Map, Value, json};
use tracing::instrument;

use crate::audit::{changed, object};
use crate::{Caller, Conflict, ControlPlane, Refused, Right};

const PERMISSION: Refused = Refused::NotFound("permission");

impl ControlPlane {
    /// The whole catalogue of an application, in the order of names.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for an application that is unknown; without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn catalogue(
        &self,
        caller: &Caller,
        application_id: ApplicationId,
    ) -> Result<Vec<CatalogueEntry>, Refused> {
        self.application(caller, application_id).await?;
        Ok(self.store.catalogue(caller.tenant_id, application_id).await?)
    }

    /// A page of the catalogues of all applications, in the order of names.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn catalogues(
        &self,
        caller: &Caller,
        page: CataloguePage,
    ) -> Result<Vec<CatalogueEntry>, Refused> {
        caller.require(Right::ReadTenant)?;
        Ok(self.store.catalogues(caller.tenant_id, page).await?)
    }

    /// One entry of an application's catalogue.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown; without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn permission(
        &self,
        caller: &Caller,
        application_id: ApplicationId,
        name: &PermissionName,
    ) -> Result<CatalogueEntry, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.permission(caller.tenant_id, application_id, name).await?.ok_or(PERMISSION)
    }

    /// Puts a permission into an application's catalogue, or describes it anew, and says whether it is new.
    ///
    /// # Errors
    /// Without [`Right::ManageApplications`]; when the catalogue is full.
    #[instrument(target = SPANS, skip_all)]
    pub async fn set_permission(
        &self,
        caller: &Caller,
        application_id: ApplicationId,
        name: PermissionName,
        label: Name,
        description: Option<String>,
    ) -> Result<(CatalogueEntry, bool), Refused> {
        caller.require(Right::ManageApplications)?;
        let tenant_id = caller.tenant_id;
        let after = CatalogueEntry { tenant_id, application_id, name, label, description };
        let entry = self.entry(caller, Action::PermissionSet, target(&after), Value::Null)?;
        let now = after.clone();
        let told = move |before: Option<&CatalogueEntry>| {
            let changes = match before {
                Some(before) if *before == now => return None,
                Some(before) => changed(describe(before), &describe(&now)),
                None => Value::Object(describe(&now)),
            };
            Some(AuditEntry { changes, ..entry })
        };
        match self.store.set_permission(after.clone(), told).await? {
            SetPermission::NoApplication => Err(Refused::NotFound("application")),
            SetPermission::Full => Err(Refused::Conflict(Conflict::CatalogueFull)),
            SetPermission::Added => Ok((after, true)),
            SetPermission::Replaced => Ok((after, false)),
        }
    }

    /// Takes a permission out of an application's catalogue. Keys that hold it keep it.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown; without [`Right::ManageApplications`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn delete_permission(
        &self,
        caller: &Caller,
        application_id: ApplicationId,
        name: &PermissionName,
    ) -> Result<(), Refused> {
        caller.require(Right::ManageApplications)?;
        let before = self.permission(caller, application_id, name).await?;
        let changes = Value::Object(describe(&before));
        let entry = self.entry(caller, Action::PermissionDelete, target(&before), changes)?;
        let found = self.store.delete_permission(caller.tenant_id, application_id, name, entry).await?;
        if found { Ok(()) } else { Err(PERMISSION) }
    }
}

/// The application and the permission in it.
fn target(entry: &CatalogueEntry) -> String {
    format!("{}/{}", entry.application_id, entry.name)
}

fn describe(entry: &CatalogueEntry) -> Map<String, Value> {
    object(json!({ "label": entry.label, "description": entry.description }))
}
