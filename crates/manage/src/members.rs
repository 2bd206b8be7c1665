//! Who is in a tenant, and as what.

use keystile_core::{Action, Actor, AuditEntry, Email, Member, Membership, PersonId, Role};
use keystile_measure::SPANS;
use keystile_store::{Page, Place, PlaceChange};
use serde_json::{Value, json};
use tracing::instrument;

use crate::{Caller, Conflict, ControlPlane, Lacking, Refused, Right};

const MEMBER: Refused = Refused::NotFound("member");

impl ControlPlane {
    /// A page of the tenant's members, the latest to sign up first; with `email`, the one with that address. Asked so,
    /// somebody who was disabled is none.
    ///
    /// # Errors
    /// Without [`Right::ReadMembers`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn members(
        &self,
        caller: &Caller,
        email: Option<&Email>,
        page: Page<PersonId>,
    ) -> Result<Vec<Member>, Refused> {
        caller.require(Right::ReadMembers)?;
        Ok(self.store.members(caller.tenant_id, email, page).await?)
    }

    /// Whether a person is a member of the caller's tenant, and as what. Somebody who was disabled is none.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for whoever is none; without [`Right::ReadMembers`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn member(&self, caller: &Caller, person_id: PersonId) -> Result<Member, Refused> {
        caller.require(Right::ReadMembers)?;
        let member = self.store.member(caller.tenant_id, person_id).await?;
        let (person, membership) = member.filter(|(person, _)| person.disabled_at.is_none()).ok_or(MEMBER)?;
        Ok(Member { membership, email: person.email, disabled: false })
    }

    /// Gives a member another role, from the next request on.
    ///
    /// # Errors
    /// Without [`Right::ManageMembers`], or [`Right::ManageOwners`] where an owner is made or demoted; for the last
    /// owner.
    #[instrument(target = SPANS, skip_all)]
    pub async fn set_role(
        &self,
        caller: &Caller,
        person_id: PersonId,
        role: Role,
    ) -> Result<Membership, Refused> {
        caller.require(Right::ManageMembers)?;
        let entry = self.entry(caller, Action::MembershipUpdate, person_id.to_string(), Value::Null)?;
        let change = move |place: &Place| {
            let before = place.membership.role;
            require_over(place, before.max(role))?;
            if before == role {
                return Ok(None);
            }
            keep_an_owner(place)?;
            let changes = json!({ "role": { "before": before, "after": role } });
            Ok(Some((PlaceChange::Role(role), AuditEntry { changes, ..entry })))
        };
        self.change_member(caller, person_id, change).await
    }

    /// Puts a member out of the tenant, or lets the caller leave it, from the next request on. What they made stays.
    ///
    /// # Errors
    /// Without [`Right::ManageMembers`], or [`Right::ManageOwners`] for an owner, unless the caller leaves; for the
    /// last owner.
    #[instrument(target = SPANS, skip_all)]
    pub async fn remove_member(&self, caller: &Caller, person_id: PersonId) -> Result<(), Refused> {
        let leaves = caller.actor.person() == Some(person_id);
        if !leaves {
            caller.require(Right::ManageMembers)?;
        }
        let entry = self.entry(caller, Action::MembershipDelete, person_id.to_string(), Value::Null)?;
        let change = move |place: &Place| {
            let role = place.membership.role;
            if !leaves {
                require_over(place, role)?;
            }
            keep_an_owner(place)?;
            let changes = json!({ "role": { "before": role, "after": null } });
            Ok(Some((PlaceChange::End, AuditEntry { changes, ..entry })))
        };
        self.change_member(caller, person_id, change).await.map(drop)
    }

    async fn change_member(
        &self,
        caller: &Caller,
        person_id: PersonId,
        change: impl FnOnce(&Place) -> Result<Option<(PlaceChange, AuditEntry)>, Refused> + Send + 'static,
    ) -> Result<Membership, Refused> {
        let Actor::Person(actor) = caller.actor else { return Err(Refused::Forbidden(Lacking::Person)) };
        let changed = self.store.change_member(caller.tenant_id, person_id, actor, change).await?;
        let (place, change) = changed.ok_or(MEMBER)??;
        Ok(match change {
            Some(PlaceChange::Role(role)) => Membership { role, ..place.membership },
            Some(PlaceChange::End) | None => place.membership,
        })
    }
}

/// The caller's role is asked anew, as another may have changed it since the request came in.
fn require_over(place: &Place, role: Role) -> Result<(), Refused> {
    let right = if role == Role::Owner { Right::ManageOwners } else { Right::ManageMembers };
    match place.role_of_actor {
        Some(own) if own >= right.role() => Ok(()),
        _ => Err(Refused::Forbidden(Lacking::Role(right.role()))),
    }
}

/// For a change after which the member is no owner, or stays what it is.
fn keep_an_owner(place: &Place) -> Result<(), Refused> {
    if place.membership.role == Role::Owner && place.other_owners == 0 {
        return Err(Refused::Conflict(Conflict::LastOwner));
    }
    Ok(())
}
