//! Sessions: using, refreshing, showing and ending them.

use std::time::Duration;

use keystile_core::{
    Action, Actor, AuditEntry, Person, PersonId, Role, Secret, Session, SessionEnd, SessionId, Tenant,
    TenantId,
};
use keystile_measure::SPANS;
use keystile_store::{Entrance, Refresh, Refreshed};
use serde_json::{Value, json};
use tracing::instrument;

use crate::sign_in::{BROWSER_TOKEN, REFRESH_TOKEN};
use crate::{AccessToken, Caller, ControlPlane, Origin, Refused, SignedIn, Tokens};

/// How often it is noted that a browser uses its session, which must not write with every page.
const USE_NOTED_EVERY: Duration = Duration::from_secs(10 * 60);

/// Proof that a person's session can be used now. Only [`ControlPlane::arrive`] and [`ControlPlane::carry_on`] make one.
#[derive(Debug, Clone)]
pub struct Present {
    pub(crate) person: Person,
    pub(crate) session: Session,
    pub(crate) origin: Origin,
}

impl Present {
    /// The person.
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// The session.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// What [`ControlPlane::enter`] takes for entering one of the person's tenants.
    pub const fn signed_in(&self) -> SignedIn {
        let Session { id: session_id, person_id, tenant_id, .. } = self.session;
        SignedIn { person_id, session_id, tenant_id }
    }
}

/// What a person can know of themselves.
#[derive(Debug)]
pub struct Me {
    /// The person.
    pub person: Person,
    /// The session that asks.
    pub session: Session,
    /// Whether the person has a second factor.
    pub second_factor: bool,
    /// The person's tenants, with the role in each.
    pub tenants: Vec<(Tenant, Role)>,
}

impl ControlPlane {
    /// Lets a person act for themselves. Session and person are read anew each time, so that whatever ends them takes
    /// effect with the next request.
    ///
    /// # Errors
    /// [`Refused::SessionEnded`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn arrive(&self, signed_in: &SignedIn, origin: Origin) -> Result<Present, Refused> {
        let Entrance { session, person, place: _ } = self.entrance(signed_in, None).await?;
        Ok(Present { person, session, origin })
    }

    /// Lets the person whose session a browser carries on act for themselves, with the token of [`Self::sign_in_browser`]. It shows it
    /// each time: pages that are loaded at once would race for exchanging it.
    ///
    /// # Errors
    /// [`Refused::SessionEnded`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn carry_on(&self, token: &Secret, origin: Origin) -> Result<Present, Refused> {
        let Entrance { session, person, place: _ } = self.entrance_by_token(token, None).await?;
        Ok(Present { person, session, origin })
    }

    /// The same for a page of a tenant: the person, and whether they may act there, of one reading.
    ///
    /// # Errors
    /// [`Refused::SessionEnded`]. What is within is refused as by [`Self::enter`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn carry_on_in(
        &self,
        token: &Secret,
        tenant_id: TenantId,
        origin: Origin,
    ) -> Result<(Present, Result<Caller, Refused>), Refused> {
        let entrance = self.entrance_by_token(token, Some(tenant_id)).await?;
        let caller = Caller::member(&entrance, tenant_id, origin.clone());
        let Entrance { session, person, place: _ } = entrance;
        Ok((Present { person, session, origin }, caller))
    }

    /// What the session of a browser opens, if it can be used now. Notes that it is used, now and then.
    async fn entrance_by_token(
        &self,
        token: &Secret,
        tenant_id: Option<TenantId>,
    ) -> Result<Entrance, Refused> {
        if !token.expose().starts_with(BROWSER_TOKEN) {
            return Err(Refused::SessionEnded);
        }
        let entrance = self.usable(self.store.entrance_by_token(token.digest(), tenant_id).await?)?;
        let (now, session) = (self.now(), &entrance.session);
        if session.refreshed_at.plus(USE_NOTED_EVERY) <= now {
            self.store.note_session_use(session.id, now).await?;
        }
        Ok(entrance)
    }

    /// A token for the API that acts as the person, in the session that is there already: it ends with the session, and nothing
    /// carries it on. For which tenant it is decides where it acts if a path names none; it opens none by that.
    ///
    /// # Errors
    /// When no random bytes can be had.
    pub fn lend_token(&self, present: &Present, tenant_id: TenantId) -> Result<AccessToken, Refused> {
        self.access_for(SignedIn {
            person_id: present.person.id,
            session_id: present.session.id,
            tenant_id: Some(tenant_id),
        })
    }

    /// What the session opens, if it can be used now.
    pub(crate) async fn entrance(
        &self,
        signed_in: &SignedIn,
        tenant_id: Option<TenantId>,
    ) -> Result<Entrance, Refused> {
        self.usable(self.store.entrance(tenant_id, signed_in.person_id, signed_in.session_id).await?)
    }

    fn usable(&self, entrance: Option<Entrance>) -> Result<Entrance, Refused> {
        let now = self.now();
        let can_be_used =
            |entrance: &Entrance| entrance.session.is_live(now) && entrance.person.disabled_at.is_none();
        entrance.filter(can_be_used).ok_or(Refused::SessionEnded)
    }

    /// Exchanges a refresh token for the next pair. A token that was exchanged before ends the session: either it or
    /// the pair that it was exchanged for is in the wrong hands.
    ///
    /// # Errors
    /// [`Refused::RefreshToken`] for one that is unknown, [`Refused::SessionEnded`] for one of a session that has
    /// ended, this exchange being what ended it or not.
    #[instrument(target = SPANS, skip_all)]
    pub async fn refresh(&self, token: &Secret, origin: &Origin) -> Result<Tokens, Refused> {
        if !token.expose().starts_with(REFRESH_TOKEN) {
            return Err(Refused::RefreshToken);
        }
        let used = token.digest();
        let session = self.store.session_of_token(used).await?.ok_or(Refused::RefreshToken)?;
        let now = self.now();
        if !session.is_live(now) {
            return Err(Refused::SessionEnded);
        }
        let tokens = self.tokens_for(&session, REFRESH_TOKEN)?;
        let if_reused = self.reuse_entries(&session, origin).await?;
        let rotation = Refresh { session, used, next: tokens.refresh.digest(), at: now, if_reused };
        match self.store.refresh(rotation).await? {
            Refreshed::Yes => Ok(tokens),
            Refreshed::Ended | Refreshed::Reused => Err(Refused::SessionEnded),
        }
    }

    /// Ends the session that a refresh token carries on, used or not; nothing happens if there is none that lasts.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn surrender_session(&self, token: &Secret, origin: &Origin) -> Result<(), Refused> {
        let session = self.store.session_of_token(token.digest()).await?;
        let now = self.now();
        let Some(session) = session.filter(|session| session.is_live(now)) else { return Ok(()) };
        let what = (Action::SessionEnd, session.id.to_string());
        let details = json!({ "person_id": session.person_id, "by": "its refresh token" });
        let audit = self.entries_everywhere(session.person_id, Actor::System, origin, what, details).await?;
        let why = (now, SessionEnd::Logout);
        self.store.end_session(session.person_id, session.id, why, audit).await?;
        Ok(())
    }

    /// Whoever shows a used token has not proven to be its person.
    async fn reuse_entries(&self, session: &Session, origin: &Origin) -> Result<Vec<AuditEntry>, Refused> {
        let (what, details) =
            ((Action::SessionReuse, session.id.to_string()), json!({ "person_id": session.person_id }));
        self.entries_everywhere(session.person_id, Actor::System, origin, what, details).await
    }

    /// What a person can know of themselves.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn me(&self, present: Present) -> Result<Me, Refused> {
        let enrolled = self.store.enrolled(present.person.id).await?;
        let second_factor = enrolled.is_some_and(|enrolled| enrolled.confirmed_at.is_some());
        let tenants = self.all_tenants(&present).await?;
        let Present { person, session, .. } = present;
        Ok(Me { person, session, second_factor, tenants })
    }

    /// The person's tenants, also those that this session cannot enter, with the role in each.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn all_tenants(&self, present: &Present) -> Result<Vec<(Tenant, Role)>, Refused> {
        Ok(self.store.tenants_of(present.person.id).await?)
    }

    /// The person's sessions that last, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn sessions(&self, present: &Present) -> Result<Vec<Session>, Refused> {
        Ok(self.store.live_sessions(present.person.id, self.now()).await?)
    }

    /// Ends one of the person's sessions; which may be the one that asks.
    ///
    /// # Errors
    /// [`Refused::NotFound`] when the person has no such session that lasts.
    #[instrument(target = SPANS, skip_all)]
    pub async fn end_session(&self, present: &Present, id: SessionId) -> Result<(), Refused> {
        let audit = self.entries_of(present, (Action::SessionEnd, id.to_string()), json!({})).await?;
        let why = (self.now(), SessionEnd::Logout);
        let ended = self.store.end_session(present.person.id, id, why, audit).await?;
        if ended { Ok(()) } else { Err(Refused::NotFound("session")) }
    }

    /// Ends all of the person's sessions, the one that asks included.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn end_sessions(&self, present: &Present) -> Result<(), Refused> {
        let what = (Action::SessionEnd, present.person.id.to_string());
        let audit = self.entries_of(present, what, json!({ "everywhere": true })).await?;
        let why = (self.now(), SessionEnd::Logout);
        Ok(self.store.end_sessions((present.person.id, None), why, audit).await?)
    }

    /// Ends all of the person's sessions but the one that asks.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn end_other_sessions(&self, present: &Present) -> Result<(), Refused> {
        let (person_id, kept) = (present.person.id, present.session.id);
        let what = (Action::SessionEnd, person_id.to_string());
        let audit = self.entries_of(present, what, json!({ "all_but": kept })).await?;
        let why = (self.now(), SessionEnd::Logout);
        Ok(self.store.end_sessions((person_id, Some(kept)), why, audit).await?)
    }

    /// The entries for what a person does to themselves.
    pub(crate) async fn entries_of(
        &self,
        present: &Present,
        what: (Action, String),
        changes: Value,
    ) -> Result<Vec<AuditEntry>, Refused> {
        let id = present.person.id;
        self.entries_everywhere(id, Actor::Person(id), &present.origin, what, changes).await
    }

    /// The entries for what concerns a person, in the logs of all their tenants: a session opens all of them.
    pub(crate) async fn entries_everywhere(
        &self,
        person_id: PersonId,
        actor: Actor,
        origin: &Origin,
        what: (Action, String),
        changes: Value,
    ) -> Result<Vec<AuditEntry>, Refused> {
        let tenants = self.store.tenants_of(person_id).await?;
        self.entries_in(&tenants, actor, origin, what, &changes)
    }

    /// The entries for what concerns a person, in the logs of these tenants.
    pub(crate) fn entries_in(
        &self,
        tenants: &[(Tenant, Role)],
        actor: Actor,
        origin: &Origin,
        (action, target): (Action, String),
        changes: &Value,
    ) -> Result<Vec<AuditEntry>, Refused> {
        let entry = |(tenant, _): &(Tenant, Role)| {
            self.entry_by(tenant.id, actor, origin, action, target.clone(), changes.clone())
        };
        tenants.iter().map(entry).collect()
    }
}
