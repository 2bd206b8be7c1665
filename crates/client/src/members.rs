//! Who is in a tenant, and who is invited.

use keystile_core::{InvitationId, PersonId, TenantId};
use keystile_wire::{
    AcceptInvitation, AcceptedInvitation, CreateInvitation, CreatedInvitation, InvitationView, Listing,
    MemberListQuery, MemberView, MembershipView, PageQuery, PatchMembership, ResetOfferView,
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

    /// Makes a token with which a member sets their password anew, once. It is in this answer and can never be read
    /// again; earlier ones stop working.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `forbidden` for a member over whom the caller has not the whole say, and any other
    /// [`ClientError`]; after [`ClientError::Interrupted`] make another.
    pub async fn offer_reset(
        &self,
        tenant: TenantId,
        person: PersonId,
    ) -> Result<ResetOfferView, ClientError> {
        self.command(&format!("{}/memberships/{person}/password-reset", path(tenant))).await
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

    /// Accepts an invitation as somebody new, with the password to be; or as somebody known, with the password they have.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` for a token that is over, `wrong_credentials`, or the rule that the
    /// password breaks, and any other [`ClientError`].
    pub async fn join(base_url: &str, request: &AcceptInvitation) -> Result<AcceptedInvitation, ClientError> {
        Self::anonymous(base_url)?.accept_invitation(request).await
    }

    /// Accepts an invitation as the person who has signed in.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` for a token that is over, `invalid_request` for a token of somebody
    /// else, `already_member`, and any other [`ClientError`].
    pub async fn accept_invitation(
        &self,
        request: &AcceptInvitation,
    ) -> Result<AcceptedInvitation, ClientError> {
        self.post("/api/v1/auth/invitations/accept", request).await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` for one that was accepted, and any other [`ClientError`].
    pub async fn revoke_invitation(&self, tenant: TenantId, id: InvitationId) -> Result<(), ClientError> {
        self.delete(&format!("{}/invitations/{id}", path(tenant))).await
    }
}
