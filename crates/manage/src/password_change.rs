//! Changing a password, and setting one anew with a token that an admin or the operator made.

use std::time::Duration;

use keystile_core::{Action, Actor, Email, Invalid, Person, PersonId, Secret, Timestamp};
use keystile_measure::SPANS;
use keystile_store::Reset;
use serde_json::json;
use tracing::instrument;

use crate::{Caller, ControlPlane, Lacking, Origin, Present, Refused, Right};

/// How long a token to set a password anew can be used.
const OFFER_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A token with which a password can be set anew, once; shown to whom it was made for.
#[derive(Debug)]
pub struct ResetOffer {
    /// The token.
    pub token: Secret,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl ControlPlane {
    /// Changes the person's password and ends all their other sessions.
    ///
    /// # Errors
    /// [`Refused::WrongCredentials`] when the current one is wrong, which counts like an attempt to sign in; for a
    /// weak new one.
    #[instrument(target = SPANS, skip_all)]
    pub async fn change_password(
        &self,
        present: &Present,
        current: Secret,
        new: Secret,
    ) -> Result<(), Refused> {
        if current.expose() == new.expose() {
            return Err(Invalid::new("new_password", "must differ from the current one").into());
        }
        let facts = self.prove(Some(&present.person), current, &present.origin).await?;
        let (email, id) = (&facts.person.email, facts.person.id);
        let hash = self.passwords.hash_for(email, ("new_password", new), self.entropy.as_ref()).await?;
        let audit = self.entries_of(present, (Action::PasswordChange, id.to_string()), json!({})).await?;
        let hashes = (facts.person.password_hash.clone(), hash);
        let changed = self.store.change_password((id, present.session.id), hashes, self.now(), audit).await?;
        if changed { Ok(()) } else { Err(Refused::WrongCredentials) }
    }

    /// Makes a token with which a member sets their password anew. Earlier ones stop working.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for somebody who is no member, [`Refused::Forbidden`] for oneself, and for somebody over
    /// whom the caller has no say everywhere: whoever sets a password takes over all that its person may do.
    #[instrument(target = SPANS, skip_all)]
    pub async fn offer_reset(&self, caller: &Caller, person_id: PersonId) -> Result<ResetOffer, Refused> {
        caller.require(Right::ResetPasswords)?;
        let maker = caller.actor.person().ok_or(Refused::Forbidden(Lacking::Person))?;
        let member = self.store.member(caller.tenant_id, person_id).await?;
        member.ok_or(Refused::NotFound("member"))?;
        if maker == person_id {
            return Err(Refused::Forbidden(Lacking::Oneself));
        }
        self.require_say_over(maker, person_id).await?;
        let entry = self.entry(caller, Action::PasswordOffer, person_id.to_string(), json!({}))?;
        let offer = self.fresh_offer()?;
        let reset = Reset {
            person_id,
            tenant_id: Some(caller.tenant_id),
            made_by: Some(maker),
            expires_at: offer.expires_at,
        };
        self.store.offer_reset(offer.token.digest(), reset, vec![entry]).await?;
        Ok(offer)
    }

    /// The same for the operator, who may do it for anybody.
    ///
    /// # Errors
    /// [`Refused::NotFound`] when nobody has this address.
    #[instrument(target = SPANS, skip_all)]
    pub async fn offer_reset_as_operator(&self, email: &Email) -> Result<ResetOffer, Refused> {
        let person_id = self.known(email).await?.id;
        let audit = self.entries_by_operator(person_id, Action::PasswordOffer).await?;
        let offer = self.fresh_offer()?;
        let reset = Reset { person_id, tenant_id: None, made_by: None, expires_at: offer.expires_at };
        self.store.offer_reset(offer.token.digest(), reset, audit).await?;
        Ok(offer)
    }

    /// Sets a password anew, which uses the token up and ends all sessions of the person.
    ///
    /// # Errors
    /// [`Refused::ResetToken`] for a token that is unknown, used or over, or whose maker has no say over the person
    /// any more; for a weak password, which leaves the token as it is.
    #[instrument(target = SPANS, skip_all)]
    pub async fn reset_password(&self, token: &Secret, new: Secret, origin: &Origin) -> Result<(), Refused> {
        let (digest, now) = (token.digest(), self.now());
        let reset = self.store.reset(digest).await?.filter(|reset| now < reset.expires_at);
        let reset = reset.ok_or(Refused::ResetToken)?;
        if let Some(maker) = reset.made_by {
            let say = self.require_say_over(maker, reset.person_id).await;
            say.map_err(|refused| match refused {
                Refused::Forbidden(_) => Refused::ResetToken,
                other => other,
            })?;
        }
        let person = self.store.person(reset.person_id).await?.ok_or(Refused::ResetToken)?;
        let hash =
            self.passwords.hash_for(&person.email, ("new_password", new), self.entropy.as_ref()).await?;
        let (actor, what) = (Actor::Person(person.id), (Action::PasswordReset, person.id.to_string()));
        let audit = self.entries_everywhere(person.id, actor, origin, what, json!({})).await?;
        let done = self.store.reset_password(digest, (person.id, hash), now, audit).await?;
        if done { Ok(()) } else { Err(Refused::ResetToken) }
    }

    /// Goes on only when the maker administers every tenant that the person is in, with no lower role there.
    async fn require_say_over(&self, maker: PersonId, person: PersonId) -> Result<(), Refused> {
        let is_here = |person: &Person| person.disabled_at.is_none();
        let own = match self.store.person(maker).await?.filter(is_here) {
            Some(maker) => self.store.tenants_of(maker.id).await?,
            None => Vec::new(),
        };
        let least = Right::ResetPasswords.role();
        let theirs = self.store.tenants_of(person).await?;
        let covered = theirs.iter().all(|(tenant, role)| {
            own.iter().any(|(mine, rank)| mine.id == tenant.id && *rank >= least.max(*role))
        });
        if covered { Ok(()) } else { Err(Refused::Forbidden(Lacking::OverPerson)) }
    }

    fn fresh_offer(&self) -> Result<ResetOffer, Refused> {
        let token = self.random_token("pr_")?;
        Ok(ResetOffer { token, expires_at: self.now().plus(OFFER_LIFETIME) })
    }

    pub(crate) async fn known(&self, email: &Email) -> Result<Person, Refused> {
        self.store.person_by_email(email).await?.ok_or(Refused::NotFound("person"))
    }
}
