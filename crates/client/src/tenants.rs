//! Tenants and their applications.

use keystile_core::{ApplicationId, TenantId};
use keystile_wire::{
    ApplicationListQuery, ApplicationView, CreateApplication, CreateTenant, Listing, OverviewQuery,
    OverviewView, PatchApplication, PatchTenant, RoutingView, SetRouting, TenantUsageQuery, TenantView,
    UsageView,
};

use crate::{Client, ClientError};

impl Client {
    /// The tenants that the person who signed in is a member of.
    ///
    /// # Errors
    /// Any [`ClientError`]; an API key is refused, as it is no person.
    pub async fn tenants(&self) -> Result<Listing<TenantView>, ClientError> {
        self.get("/api/v1/tenants").await
    }

    /// One tenant with its settings.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantView, ClientError> {
        self.get(&path(tenant)).await
    }

    /// Makes a tenant, whose owner is the person who signed in.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `too_many_tenants`, and any other [`ClientError`].
    pub async fn create_tenant(&self, request: &CreateTenant) -> Result<TenantView, ClientError> {
        self.post("/api/v1/tenants", request).await
    }

    /// Changes name and settings of a tenant.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `version_conflict` when the record has moved on since `request.version`, and
    /// any other [`ClientError`].
    pub async fn patch_tenant(
        &self,
        tenant: TenantId,
        request: &PatchTenant,
    ) -> Result<TenantView, ClientError> {
        self.patch(&path(tenant), request).await
    }

    /// What a tenant has, what of it needs attention, and how events come into one of its environments.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn overview(
        &self,
        tenant: TenantId,
        query: &OverviewQuery,
    ) -> Result<OverviewView, ClientError> {
        self.get_with(&format!("{}/overview", path(tenant)), query).await
    }

    /// How often all keys of a tenant were allowed and refused together, step by step.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn tenant_usage(
        &self,
        tenant: TenantId,
        query: &TenantUsageQuery,
    ) -> Result<UsageView, ClientError> {
        self.get_with(&format!("{}/usage", path(tenant)), query).await
    }

    /// One page of applications, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn applications(
        &self,
        tenant: TenantId,
        query: &ApplicationListQuery,
    ) -> Result<Listing<ApplicationView>, ClientError> {
        self.get_with(&format!("{}/applications", path(tenant)), query).await
    }

    /// One application.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn application(
        &self,
        tenant: TenantId,
        id: ApplicationId,
    ) -> Result<ApplicationView, ClientError> {
        self.get(&format!("{}/applications/{id}", path(tenant))).await
    }

    /// Makes an application.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `name_taken`, and any other [`ClientError`].
    pub async fn create_application(
        &self,
        tenant: TenantId,
        request: &CreateApplication,
    ) -> Result<ApplicationView, ClientError> {
        self.post(&format!("{}/applications", path(tenant)), request).await
    }

    /// What an application needs of keys, by method and path.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn routing(&self, tenant: TenantId, id: ApplicationId) -> Result<RoutingView, ClientError> {
        self.get(&format!("{}/applications/{id}/routing", path(tenant))).await
    }

    /// Replaces what an application needs of keys.
    ///
    /// # Errors
    /// As [`Self::patch_tenant`].
    pub async fn set_routing(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        request: &SetRouting,
    ) -> Result<RoutingView, ClientError> {
        self.put(&format!("{}/applications/{id}/routing", path(tenant)), request).await
    }

    /// Changes settings of an application.
    ///
    /// # Errors
    /// As [`Self::patch_tenant`].
    pub async fn patch_application(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        request: &PatchApplication,
    ) -> Result<ApplicationView, ClientError> {
        self.patch(&format!("{}/applications/{id}", path(tenant)), request).await
    }
}

/// Where a tenant is.
pub(crate) fn path(tenant: TenantId) -> String {
    format!("/api/v1/tenants/{tenant}")
}
