//! What keys have spent, what is held for them, and correcting both.

use keystile_core::{HoldId, LedgerId, TenantId};
use keystile_wire::{
    CorrectCharge, CorrectedView, HoldListQuery, HoldView, LedgerListQuery, LedgerView, Listing, SettleHold,
    SettleHoldByHand, SettledHoldView, SpendQuery, SpendView,
};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// Settles what a verification has held for an estimate. Whoever does not do so in time is charged all of it.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, or with `hold_over` when it was settled or charged already; and any other
    /// [`ClientError`].
    pub async fn settle_hold(
        &self,
        id: HoldId,
        request: &SettleHold,
    ) -> Result<SettledHoldView, ClientError> {
        self.post(&format!("/api/v1/holds/{id}/settle"), request).await
    }

    /// One page of the holds that are open, latest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn holds(
        &self,
        tenant: TenantId,
        query: &HoldListQuery,
    ) -> Result<Listing<HoldView>, ClientError> {
        self.get_with(&format!("{}/holds", path(tenant)), query).await
    }

    /// Settles an open hold in the place of whoever should have.
    ///
    /// # Errors
    /// As [`Self::settle_hold`].
    pub async fn settle_hold_by_hand(
        &self,
        tenant: TenantId,
        id: HoldId,
        request: &SettleHoldByHand,
    ) -> Result<SettledHoldView, ClientError> {
        self.post(&format!("{}/holds/{id}/settle", path(tenant)), request).await
    }

    /// One page of what was charged, latest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn ledger(
        &self,
        tenant: TenantId,
        query: &LedgerListQuery,
    ) -> Result<Listing<LedgerView>, ClientError> {
        self.get_with(&format!("{}/ledger", path(tenant)), query).await
    }

    /// Corrects what was charged, by another row for the difference.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, or with `is_correction` for a row that corrects another one; and any other
    /// [`ClientError`].
    pub async fn correct_charge(
        &self,
        tenant: TenantId,
        id: LedgerId,
        request: &CorrectCharge,
    ) -> Result<CorrectedView, ClientError> {
        self.post(&format!("{}/ledger/{id}/correct", path(tenant)), request).await
    }

    /// What was spent, by key, customer, application, model or day.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn spend(&self, tenant: TenantId, query: &SpendQuery) -> Result<SpendView, ClientError> {
        self.get_with(&format!("{}/spend", path(tenant)), query).await
    }
}
