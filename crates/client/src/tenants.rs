//! Tenants and their applications.

use keystile_core::TenantId;
use keystile_wire::{ApplicationView, Listing, TenantView};

use crate::{Client, ClientError};

impl Client {
    /// The tenants that the person who signed in is a member of.
    ///
    /// # Errors
    /// Any [`ClientError`]; an API key is refused, as it is no person.
    pub async fn tenants(&self) -> Result<Listing<TenantView>, ClientError> {
        self.get("/api/v1/tenants").await
    }

    /// The newest applications of a tenant: the first page.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn applications(&self, tenant: TenantId) -> Result<Listing<ApplicationView>, ClientError> {
        self.get(&format!("/api/v1/tenants/{tenant}/applications")).await
    }
}
