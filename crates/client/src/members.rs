//! Who is in a tenant, and who is invited.

use keystile_core::{InvitationId, PersonId, TenantId};
use keystile_wire::{
    CreateInvitation, CreatedInvitation, InvitationView, Listing, MemberListQuery, MemberView,
    MembershipView, PageQuery, PatchMembership,
};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// One page of members, the latest to sign up first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn members(
        &self,
        tenant: TenantId,
        query: &MemberListQuery,
    ) -> Result<Listing<MemberView>, ClientError> {
        self.get_with(&format!("{}/memberships", path(tenant)), query).await
    }

    /// Whether a person is a member, and as what; nothing for whoever is none.
    ///
    /// # Errors
    /// Any [`ClientError`] but [`ClientError::Problem`] with `not_found`, which is the answer no. A tenant that the
    /// caller does not see is answered so, too.
    pub async fn member(
        &self,
        tenant: TenantId,
        person: PersonId,
    ) -> Result<Option<MemberView>, ClientError> {
        match self.get(&format!("{}/memberships/{person}", path(tenant))).await {
            Err(ClientError::Problem(problem)) if problem.code == "not_found" => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `last_owner`, and any other [`ClientError`].
    pub async fn set_role(
        &self,
        tenant: TenantId,
        person: PersonId,
        request: &PatchMembership,
    ) -> Result<MembershipView, ClientError> {
        self.patch(&format!("{}/memberships/{person}", path(tenant)), request).await
    }

    /// Puts a member out.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `last_owner`, and any other [`ClientError`].
    pub async fn remove_member(&self, tenant: TenantId, person: PersonId) -> Result<(), ClientError> {
        self.delete(&format!("{}/memberships/{person}", path(tenant))).await
    }

    /// Invites somebody. The token is in this answer and can never be read again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `already_member` or `already_invited`, and any other [`ClientError`].
    pub async fn create_invitation(
        &self,
        tenant: TenantId,
        request: &CreateInvitation,
    ) -> Result<CreatedInvitation, ClientError> {
        self.post(&format!("{}/invitations", path(tenant)), request).await
    }

    /// One page of open invitations, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn invitations(
        &self,
        tenant: TenantId,
        query: &PageQuery,
    ) -> Result<Listing<InvitationView>, ClientError> {
        self.get_with(&format!("{}/invitations", path(tenant)), query).await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` for one that was accepted, and any other [`ClientError`].
    pub async fn revoke_invitation(&self, tenant: TenantId, id: InvitationId) -> Result<(), ClientError> {
        self.delete(&format!("{}/invitations/{id}", path(tenant))).await
    }
}
