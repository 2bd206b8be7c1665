//! Customers of a tenant.

use keystile_core::{CustomerId, TenantId};
use keystile_wire::{CreateCustomer, CustomerListQuery, CustomerView, Listing, PatchCustomer};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// One page of customers, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn customers(
        &self,
        tenant: TenantId,
        query: &CustomerListQuery,
    ) -> Result<Listing<CustomerView>, ClientError> {
        self.get_with(&format!("{}/customers", path(tenant)), query).await
    }

    /// One customer.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn customer(&self, tenant: TenantId, id: CustomerId) -> Result<CustomerView, ClientError> {
        self.get(&format!("{}/customers/{id}", path(tenant))).await
    }

    /// Makes a customer.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `external_id_taken`, and any other [`ClientError`].
    pub async fn create_customer(
        &self,
        tenant: TenantId,
        request: &CreateCustomer,
    ) -> Result<CustomerView, ClientError> {
        self.post(&format!("{}/customers", path(tenant)), request).await
    }

    /// Changes settings of a customer.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `version_conflict` when the record has moved on since `request.version`, and
    /// any other [`ClientError`].
    pub async fn patch_customer(
        &self,
        tenant: TenantId,
        id: CustomerId,
        request: &PatchCustomer,
    ) -> Result<CustomerView, ClientError> {
        self.patch(&format!("{}/customers/{id}", path(tenant)), request).await
    }
}
