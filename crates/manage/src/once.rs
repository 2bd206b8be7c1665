//! Requests that are carried out once, however often they are sent.
//!
//! The answer is kept sealed, as it may show a secret: with a key made from the text of the idempotency key, which is
//! nowhere stored, and from the server's own key, which is not in the database. So neither of the two opens it alone.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use keystile_core::{Actor, Digest, Secret, TenantId};
use keystile_measure::SPANS;
use keystile_store::{Begun, Once, Receipt};
use tracing::instrument;

use crate::{Caller, Conflict, ControlPlane, Present, Refused, Right, SignedIn};

/// How the name of a request begins that we have made.
const NAME: &str = "once_";
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an attempt may take before another one takes over: longer than any client waits for its answer.
const STALE: Duration = Duration::from_secs(60);

/// A request that its sender may repeat.
#[derive(Debug)]
pub struct Asked {
    /// The sender's name for it.
    pub key: Secret,
    /// Where it was sent to.
    pub path: String,
    /// Stands for what it asks.
    pub body: Digest,
}

/// Who asks. The same idempotency key of two of them names two requests.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    actor: Actor,
    tenant_id: Option<TenantId>,
}

impl Caller {
    /// The caller as who asks for something that needs `right`.
    ///
    /// # Errors
    /// Without it: whoever has lost it is not told earlier answers either.
    pub fn asker(&self, right: Right) -> Result<Asker, Refused> {
        self.require(right)?;
        Ok(Asker { actor: self.actor, tenant_id: Some(self.tenant_id) })
    }
}

impl SignedIn {
    /// The person as who asks.
    pub const fn asker(&self) -> Asker {
        Asker { actor: Actor::Person(self.person_id), tenant_id: None }
    }
}

impl Present {
    /// The person as who asks.
    pub const fn asker(&self) -> Asker {
        Asker { actor: Actor::Person(self.person.id), tenant_id: None }
    }
}

/// What is known of a request.
#[derive(Debug)]
pub enum Repeated {
    /// Nothing: carry it out.
    Not(Attempt),
    /// It was carried out, with this answer.
    With(Vec<u8>),
}

/// The right to carry out a request.
#[derive(Debug)]
pub struct Attempt {
    receipt: Receipt,
    seal: Seal,
}

impl ControlPlane {
    /// A name for a request that somebody may send who makes no names: 256 random bits.
    ///
    /// # Errors
    /// When no random bytes can be had.
    pub fn name_request(&self) -> Result<Secret, Refused> {
        self.random_token(NAME)
    }

    /// Begins a request, or finds its answer.
    ///
    /// # Errors
    /// [`Refused::IdempotencyKeyReused`] for another request with the same key; a [`Conflict`] while an earlier attempt is
    /// under way, or when its answer was lost.
    #[instrument(target = SPANS, skip_all)]
    pub async fn begin(&self, asker: Asker, asked: &Asked) -> Result<Repeated, Refused> {
        let Asker { actor, tenant_id } = asker;
        let named = serde_json::json!([actor, tenant_id, asked.path, asked.key.expose()]).to_string();
        let mut owner = [0; 32];
        self.entropy.fill(&mut owner)?;
        let receipt = Receipt { scope: Digest::of(named.as_bytes()), owner: Digest::from_bytes(owner) };
        let now = self.now();
        let own = self.signing.sealing();
        let (request, stale, expires_at) = (marked(own, asked.body), now.minus(STALE), now.plus(KEPT));
        let once = Once { receipt, request, now, stale, expires_at };
        let seal = Seal::new(own, &asked.key, receipt.scope)?;
        match self.store.begin_once(once).await? {
            Begun::First => Ok(Repeated::Not(Attempt { receipt, seal })),
            Begun::Running => Err(Refused::Conflict(Conflict::IdempotencyInProgress)),
            Begun::Lost => Err(Refused::Conflict(Conflict::IdempotencyAnswerLost)),
            Begun::Other => Err(Refused::IdempotencyKeyReused),
            // A server with another key of its own has sealed it.
            Begun::Done(sealed) => seal
                .open(&sealed)
                .map(Repeated::With)
                .ok_or(Refused::Conflict(Conflict::IdempotencyAnswerLost)),
        }
    }

    /// All use cases, where what is changed commits together with the note that the request was carried out.
    #[must_use]
    pub fn within(&self, attempt: &Attempt) -> Self {
        Self { store: self.store.signing(attempt.receipt), ..self.clone() }
    }

    /// Keeps the answer of a request that was carried out. If that fails, whoever repeats it is told that the answer was
    /// lost.
    #[instrument(target = SPANS, skip_all)]
    pub async fn keep(&self, attempt: Attempt, answer: Vec<u8>) {
        let Some(sealed) = attempt.seal.close(answer) else {
            tracing::error!("an answer could not be sealed");
            return;
        };
        if let Err(error) = self.store.keep_answer(attempt.receipt, sealed).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not kept");
        }
    }

    /// Lets a request that was not carried out be tried anew.
    #[instrument(target = SPANS, skip_all)]
    pub async fn give_up(&self, attempt: Attempt) {
        if let Err(error) = self.store.give_up(attempt.receipt).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a request has to wait until it can be repeated"
            );
        }
    }
}

/// What is kept of a body, to tell it from others. A body may hold a password, of which the database must have no digest
/// that guesses could be compared with.
fn marked(own: &[u8], body: Digest) -> Digest {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, own), body.as_bytes());
    Digest::of(tag.as_ref())
}

/// Closes and opens the answer of one request.
struct Seal {
    key: RandomizedNonceKey,
    scope: Digest,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    fn new(own: &[u8], key: &Secret, scope: Digest) -> Result<Self, Refused> {
        let failed = |_| Refused::Internal("no sealing key could be made".to_owned());
        let mixed = Salt::new(HKDF_SHA256, own).extract(key.expose().as_bytes());
        let mut derived = [0; 32];
        mixed
            .expand(&[b"idempotent answer"], &AES_256_GCM)
            .and_then(|material| material.fill(&mut derived))
            .map_err(failed)?;
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &derived).map_err(failed)?, scope })
    }

    /// The nonce, and what is sealed with it.
    fn close(&self, mut answer: Vec<u8>) -> Option<Vec<u8>> {
        let about = Aad::from(self.scope.as_bytes());
        let nonce = self.key.seal_in_place_append_tag(about, &mut answer).ok()?;
        Some([nonce.as_ref().as_slice(), &answer].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(self.scope.as_bytes()), &mut rest).ok()?;
        Some(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(own: &[u8], key: &str, scope: &[u8]) -> Seal {
        Seal::new(own, &Secret::new(key), Digest::of(scope)).unwrap()
    }

    #[test]
    fn bodies_are_told_apart_and_only_the_server_could_compare_guesses() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        assert_eq!(marked(b"server", one), marked(b"server", one));
        assert!(marked(b"server", one) != marked(b"server", other));
        assert!(marked(b"server", one) != marked(b"another", one) && marked(b"server", one) != one);
    }

    #[test]
    fn only_both_keys_together_open_an_answer() {
        let sealed = seal(b"server", "k", b"scope").close(b"secret".to_vec()).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(seal(b"server", "k", b"scope").open(&sealed).unwrap(), b"secret");
        for other in
            [seal(b"other", "k", b"scope"), seal(b"server", "l", b"scope"), seal(b"server", "k", b"other")]
        {
            assert!(other.open(&sealed).is_none());
        }
        assert!(seal(b"server", "k", b"scope").open(&[1]).is_none());
        assert_eq!(format!("{:?}", seal(b"server", "k", b"scope")), "Seal(…)");
    }
}
