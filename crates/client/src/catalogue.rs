//! The permission catalogues of applications.

use keystile_core::{ApplicationId, PermissionName, TenantId};
use keystile_wire::{Listing, PageQuery, PermissionView, SetPermission};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// One page of the permissions that the tenant's applications know, in the order of their names.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn permissions(
        &self,
        tenant: TenantId,
        query: &PageQuery,
    ) -> Result<Listing<PermissionView>, ClientError> {
        self.get_with(&format!("{}/permissions", path(tenant)), query).await
    }

    /// All permissions that an application knows, in the order of their names.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn catalogue(
        &self,
        tenant: TenantId,
        application: ApplicationId,
    ) -> Result<Listing<PermissionView>, ClientError> {
        self.get(&catalogue(tenant, application)).await
    }

    /// Puts a permission into an application's catalogue, or describes it anew.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `catalogue_full`, and any other [`ClientError`].
    pub async fn set_permission(
        &self,
        tenant: TenantId,
        application: ApplicationId,
        name: &PermissionName,
        request: &SetPermission,
    ) -> Result<PermissionView, ClientError> {
        self.put(&format!("{}/{name}", catalogue(tenant, application)), request).await
    }

    /// Takes a permission out of an application's catalogue. Keys that hold it keep it.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn remove_permission(
        &self,
        tenant: TenantId,
        application: ApplicationId,
        name: &PermissionName,
    ) -> Result<(), ClientError> {
        self.delete(&format!("{}/{name}", catalogue(tenant, application))).await
    }
}

fn catalogue(tenant: TenantId, application: ApplicationId) -> String {
    format!("{}/applications/{application}/permissions", path(tenant))
}
