//! Inviting people into a tenant.

use keystile_core::{
    Action, Actor, Digest, Email, Invalid, Invitation, InvitationId, Membership, Name, Person, PersonId,
    Role, Secret, TenantId, Timestamp,
};
use keystile_measure::SPANS;
use keystile_store::{Accepted, Joining, Page};
use serde_json::{Value, json};
use tracing::instrument;

use crate::{Bearer, Caller, Conflict, ControlPlane, Lacking, Origin, Refused, Right};

/// How a token begins, so that a scanner can find one that leaked.
const TOKEN_PREFIX: &str = "ksinv_";
const INVITATION: Refused = Refused::NotFound("invitation");

/// An invitation together with its token, which exists nowhere else.
#[derive(Debug)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// To be shown once.
    pub token: Secret,
}

/// What an invitation offers, for whoever holds its token.
#[derive(Debug)]
pub struct Offered {
    /// Who is invited.
    pub email: Email,
    /// What they would be.
    pub role: Role,
    /// What the tenant is called.
    pub tenant_name: Name,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// Somebody who accepts an invitation.
#[derive(Debug)]
pub struct Acceptance {
    /// The invitation's token.
    pub token: Secret,
    /// A new person's password to be, or that of a person who is known.
    pub password: Option<Secret>,
    /// Who has signed in, if anybody.
    pub bearer: Option<Bearer>,
}

impl ControlPlane {
    /// Invites the owner of an address into the caller's tenant.
    ///
    /// # Errors
    /// Without [`Right::ManageMembers`], or [`Right::ManageOwners`] for an owner; when the address is a member's, or
    /// is invited already.
    #[instrument(target = SPANS, skip_all)]
    pub async fn invite(&self, caller: &Caller, email: Email, role: Role) -> Result<Invited, Refused> {
        caller.require(right_to_give(role))?;
        let Actor::Person(invited_by) = caller.actor else { return Err(Refused::Forbidden(Lacking::Person)) };
        let token = self.token()?;
        let created_at = self.now();
        let invitation = Invitation {
            id: self.fresh(InvitationId::from_parts)?,
            tenant_id: caller.tenant_id,
            email,
            role,
            digest: token.digest(),
            invited_by,
            created_at,
            expires_at: created_at.plus(Invitation::LIFETIME),
        };
        let changes = describe(&invitation);
        let entry = self.entry(caller, Action::InvitationCreate, invitation.id.to_string(), changes)?;
        if !self.store.create_invitation(invitation.clone(), entry).await? {
            return Err(Refused::Conflict(Conflict::MemberAlready));
        }
        Ok(Invited { invitation, token })
    }

    /// A page of the tenant's open invitations, newest first.
    ///
    /// # Errors
    /// Without [`Right::ReadMembers`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn invitations(
        &self,
        caller: &Caller,
        page: Page<InvitationId>,
    ) -> Result<Vec<Invitation>, Refused> {
        caller.require(Right::ReadMembers)?;
        Ok(self.store.invitations(caller.tenant_id, self.now(), page).await?)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown, used or another tenant's; without [`Right::ManageMembers`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn revoke_invitation(&self, caller: &Caller, id: InvitationId) -> Result<(), Refused> {
        caller.require(Right::ManageMembers)?;
        let entry = self.entry(caller, Action::InvitationRevoke, id.to_string(), json!({}))?;
        let found = self.store.revoke_invitation(caller.tenant_id, id, entry).await?;
        if found { Ok(()) } else { Err(INVITATION) }
    }

    /// Makes whoever holds an invitation's token a member. Somebody new gets the password that comes with it; somebody
    /// who is known must have signed in, or give the password they have, which stays as it is.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a token that is unknown, used, expired, or whose inviter could not give the role any
    /// more; [`Refused::WrongCredentials`] for a wrong password; for a password that breaks a rule, unless it is that of
    /// somebody who has the address.
    #[instrument(target = SPANS, skip_all)]
    pub async fn accept_invitation(
        &self,
        acceptance: Acceptance,
        origin: &Origin,
    ) -> Result<(Membership, Email), Refused> {
        let Acceptance { token, password, bearer } = acceptance;
        let invitation = self.open_invitation(token.digest()).await?;
        let known = self.store.person_by_email(&invitation.email).await?;
        let person = match (&known, password) {
            (_, Some(password)) => {
                self.admit(known.as_ref(), invitation.email.clone(), password, origin).await?
            }
            (Some(person), None) => self.recognise(person, bearer).await.map(|()| None)?,
            (None, None) => return Err(password_needed()),
        };
        let id =
            known.as_ref().or(person.as_ref()).map_or_else(|| Err(INVITATION), |person| Ok(person.id))?;
        self.join(invitation, id, person, origin).await
    }

    /// What an invitation offers. Whether somebody has the address is not told.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a token that could not be accepted now.
    #[instrument(target = SPANS, skip_all)]
    pub async fn offered(&self, token: &Secret) -> Result<Offered, Refused> {
        let Invitation { tenant_id, email, role, expires_at, .. } =
            self.open_invitation(token.digest()).await?;
        let tenant_name = self.tenant_name(tenant_id).await?;
        Ok(Offered { email, role, tenant_name, expires_at })
    }

    async fn open_invitation(&self, digest: Digest) -> Result<Invitation, Refused> {
        let found = self.store.invitation_by_digest(digest).await?;
        let invitation = found.filter(|found| found.is_open(self.now())).ok_or(INVITATION)?;
        let inviter = self.store.member(invitation.tenant_id, invitation.invited_by).await?;
        let needed = right_to_give(invitation.role).role();
        let could_give =
            inviter.is_some_and(|(person, place)| person.disabled_at.is_none() && place.role >= needed);
        if could_give { Ok(invitation) } else { Err(INVITATION) }
    }

    /// Somebody new, or nobody when the password is that of who is known; a wrong one counts as an attempt to sign in. One
    /// that breaks a rule is told to be so after the same work whether somebody has the address or not: whoever invites
    /// must not learn it.
    async fn admit(
        &self,
        known: Option<&Person>,
        email: Email,
        password: Secret,
        origin: &Origin,
    ) -> Result<Option<Person>, Refused> {
        let (password, judged) = self.passwords.judge(&email, password).await?;
        if known.is_none() && judged.is_ok() {
            return self.newcomer(email, password).await.map(Some);
        }
        match (self.prove(known, password, origin).await, judged) {
            (Ok(_), _) => Ok(None),
            (Err(Refused::WrongCredentials), Err(invalid)) => Err(invalid.at("password").into()),
            (Err(refused), _) => Err(refused),
        }
    }

    async fn recognise(&self, person: &Person, bearer: Option<Bearer>) -> Result<(), Refused> {
        match bearer {
            Some(Bearer::Person(signed_in)) if signed_in.person_id() == person.id => {
                self.entrance(&signed_in, None).await.map(drop)
            }
            Some(Bearer::Person(_) | Bearer::Automation(_)) | None => Err(password_needed()),
        }
    }

    async fn newcomer(&self, email: Email, password: Secret) -> Result<Person, Refused> {
        let password_hash = self.passwords.hash(password, self.entropy.as_ref()).await?;
        let id = self.fresh(PersonId::from_parts)?;
        Ok(Person { id, email, password_hash, created_at: self.now(), disabled_at: None })
    }

    async fn join(
        &self,
        invitation: Invitation,
        person_id: PersonId,
        person: Option<Person>,
        origin: &Origin,
    ) -> Result<(Membership, Email), Refused> {
        let Invitation { id, tenant_id, email, role, invited_by, .. } = invitation;
        let place = Membership { tenant_id, person_id, role, created_at: self.now() };
        let changes = json!({ "role": role, "email": email, "invitation_id": id });
        let (actor, target) = (Actor::Person(person_id), person_id.to_string());
        let entry = self.entry_by(tenant_id, actor, origin, Action::MembershipCreate, target, changes)?;
        let by = (invited_by, right_to_give(role).role());
        let joining = Joining { id, by, person, place: place.clone(), entry };
        match self.store.accept_invitation(joining).await? {
            Accepted::Joined => Ok((place, email)),
            Accepted::MemberBefore => Err(Refused::Conflict(Conflict::MemberAlready)),
            Accepted::Gone => Err(INVITATION),
        }
    }

    fn token(&self) -> Result<Secret, Refused> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random)?;
        Ok(Secret::new(format!("{TOKEN_PREFIX}{}", Digest::from_bytes(random).to_hex())))
    }

    /// What a tenant is called, for one who was invited into it.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn tenant_name(&self, id: TenantId) -> Result<Name, Refused> {
        self.store.tenant(id).await?.map(|tenant| tenant.name).ok_or(Refused::NotFound("tenant"))
    }
}

/// Nobody gives a role above their own.
const fn right_to_give(role: Role) -> Right {
    match role {
        Role::Owner => Right::ManageOwners,
        Role::Viewer | Role::Developer | Role::Admin => Right::ManageMembers,
    }
}

fn password_needed() -> Refused {
    Invalid::new("password", "is required, unless the person who is invited has signed in").into()
}

fn describe(invitation: &Invitation) -> Value {
    json!({ "email": invitation.email, "role": invitation.role, "expires_at": invitation.expires_at })
}
