//! The beginning of an installation: its first person, who owns its first tenant.

use keystile_core::{Actor, Digest, Email, KeyLabel, Name, Person, PersonId, Secret};
use keystile_measure::SPANS;
use parking_lot::Mutex;
use tracing::instrument;

use crate::{ControlPlane, Founded, Origin, Refused};

/// How a token begins, so that a scanner can find one that leaked.
const TOKEN_PREFIX: &str = "kssetup_";

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
pub(crate) struct SetupOffer(Mutex<Option<Digest>>);

impl SetupOffer {
    fn make(&self, token: &Secret) {
        *self.0.lock() = Some(token.digest());
    }

    /// What compares digests takes the same time for all of them.
    fn check(&self, token: &Secret) -> Result<(), Refused> {
        match *self.0.lock() {
            Some(digest) if digest == token.digest() => Ok(()),
            Some(_) => Err(Refused::SetupToken),
            None => Err(Refused::SetUpAlready),
        }
    }

    fn end(&self) {
        *self.0.lock() = None;
    }

    fn is_open(&self) -> bool {
        self.0.lock().is_some()
    }
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

    /// Whether a token of [`Self::offer_set_up`] is waited for. Nothing is read for that.
    pub fn awaits_set_up(&self) -> bool {
        self.setup.is_open()
    }

    /// Makes the first person of an installation together with a tenant that the person owns, for whoever holds the
    /// token, which is used up by that. Of many who try at once, one is the first.
    ///
    /// # Errors
    /// [`Refused::SetupToken`] for another token, [`Refused::SetUpAlready`] when there are persons already, or no token
    /// was offered since the start; for a weak password, which leaves the token as it is.
    #[instrument(target = SPANS, skip_all)]
    pub async fn set_up(
        &self,
        token: &Secret,
        first: FirstOwner,
        origin: &Origin,
    ) -> Result<Founded, Refused> {
        self.setup.check(token)?;
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
