//! The beginning of an installation: its first person, who owns its first tenant.

use std::time::Duration;

use keystile_core::{Actor, Digest, Email, KeyLabel, Name, Person, PersonId, Secret};
use keystile_measure::SPANS;
use parking_lot::Mutex;
use tracing::instrument;

use crate::sign_in::PATIENCE;
use crate::{ControlPlane, Founded, Origin, Refused};

/// How a token begins, so that a scanner can find one that leaked.
const TOKEN_PREFIX: &str = "kssetup_";
/// Longest pause after a wrong token.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Who makes an installation theirs.
#[derive(Debug)]
pub struct FirstOwner {
    /// The address to sign in with.
    pub email: Email,
    /// The password to be.
    pub password: Secret,
    /// What the first tenant is called.
    pub tenant_name: Name,
}

/// The token that makes the first person, as long as there is none. It is known to this process only and ends with it.
#[derive(Debug, Default)]
pub(crate) struct SetupOffer(Mutex<Option<Offer>>);

#[derive(Debug)]
struct Offer {
    digest: Digest,
    /// Wrong tokens that were looked at.
    failures: u32,
    /// From when on another wrong one is told to be wrong, in milliseconds of the clock that nobody sets.
    retry_at: u64,
}

impl SetupOffer {
    fn make(&self, token: &Secret) {
        *self.0.lock() = Some(Offer { digest: token.digest(), failures: 0, retry_at: 0 });
    }

    /// What compares digests takes the same time for all of them. The right token is never paused: it cannot be guessed, and
    /// whoever shows wrong ones must not be able to keep the owner out.
    fn check(&self, token: &Secret, now: u64) -> Result<(), Refused> {
        let mut offer = self.0.lock();
        let Some(offer) = offer.as_mut() else { return Err(Refused::SetUpAlready) };
        if offer.digest == token.digest() {
            return Ok(());
        }
        if now < offer.retry_at {
            return Err(Refused::SetupPaused { seconds: (offer.retry_at - now).div_ceil(1000) });
        }
        offer.failures = offer.failures.saturating_add(1);
        offer.retry_at = now.saturating_add(pause_after(offer.failures));
        Err(Refused::SetupToken)
    }

    fn end(&self) {
        *self.0.lock() = None;
    }

    fn is_open(&self) -> bool {
        self.0.lock().is_some()
    }
}

/// How long wrong tokens are sent away after so many of them, in milliseconds: as after wrong passwords.
fn pause_after(failures: u32) -> u64 {
    let followed = failures.saturating_add(1).saturating_sub(PATIENCE.free);
    let pause = PATIENCE.pause.saturating_mul(followed).min(LONGEST_PAUSE);
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

impl ControlPlane {
    /// Makes a token with which somebody makes this installation theirs, once; earlier ones stop working. `None` when
    /// there are persons already.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn offer_set_up(&self) -> Result<Option<Secret>, Refused> {
        if self.store.has_persons().await? {
            return Ok(None);
        }
        let token = self.random_token(TOKEN_PREFIX)?;
        self.setup.make(&token);
        Ok(Some(token))
    }

    /// Somebody else has made the first person: no token of [`Self::offer_set_up`] is waited for any more.
    pub fn end_set_up(&self) {
        self.setup.end();
    }

    /// Whether a token of [`Self::offer_set_up`] is waited for. Nothing is read for that.
    pub fn awaits_set_up(&self) -> bool {
        self.setup.is_open()
    }

    /// Makes the first person of an installation together with a tenant that the person owns, for whoever holds the
    /// token, which is used up by that. Of many who try at once, one is the first.
    ///
    /// # Errors
    /// [`Refused::SetupToken`] for another token, [`Refused::SetupPaused`] for one after many of those, [`Refused::SetUpAlready`] when there are persons already, or no token
    /// was offered since the start; for a weak password, which leaves the token as it is.
    #[instrument(target = SPANS, skip_all)]
    pub async fn set_up(
        &self,
        token: &Secret,
        first: FirstOwner,
        origin: &Origin,
    ) -> Result<Founded, Refused> {
        self.setup.check(token, self.clock.elapsed_millis())?;
        let founded = self.found_first(first, Actor::Person, origin).await?;
        // Whether this made the first person or somebody else did: nobody needs the token any more.
        self.setup.end();
        founded.ok_or(Refused::SetUpAlready)
    }

    /// The same for the operator, who needs no token; `None`, and nothing is made, when there are persons already.
    ///
    /// # Errors
    /// For a weak password, or when the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn set_up_as_operator(&self, first: FirstOwner) -> Result<Option<Founded>, Refused> {
        self.found_first(first, |_| Actor::System, &Origin::default()).await
    }

    async fn found_first(
        &self,
        first: FirstOwner,
        actor: impl FnOnce(PersonId) -> Actor,
        origin: &Origin,
    ) -> Result<Option<Founded>, Refused> {
        // Hashing for nothing would take every later start some time.
        if self.store.has_persons().await? {
            return Ok(None);
        }
        let FirstOwner { email, password, tenant_name } = first;
        let password_hash =
            self.passwords.hash_for(&email, ("password", password), self.entropy.as_ref()).await?;
        let id = self.fresh(PersonId::from_parts)?;
        let person = Person { id, email, password_hash, created_at: self.now(), disabled_at: None };
        let founding = self.founding(id, actor(id), tenant_name, KeyLabel::default(), origin)?;
        let founded = Founded::of(&founding);
        let founding = keystile_store::Founding { person: Some(person), ..founding };
        Ok(self.store.found_installation(founding).await?.then_some(founded))
    }
}
