//! The key with which a request passed.

use std::ops::Deref;
use std::sync::Arc;

use keystile_core::{ApplicationId, CustomerId, Environment, Grants, KeyId, TenantId, Timestamp, TrustLevel};
use keystile_wire::LimitState;
#[cfg(feature = "http")]
use keystile_wire::VerifyAnswer;
use serde::de::DeserializeOwned;

/// The key with which a request passed: an extension of the request. Copies are cheap. It tells how the key was at that
/// moment, so keep it no longer than the request.
#[derive(Debug, Clone)]
pub struct VerifiedKey(Arc<KeyFacts>);

/// What services learn of a key.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyFacts {
    /// Which key.
    pub key_id: KeyId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Issued to.
    pub application_id: ApplicationId,
    /// Restricted to.
    pub customer_id: Option<CustomerId>,
    /// Works in.
    pub environment: Environment,
    /// Is for: `service`, `user`, `ingest` or `virtual_llm`.
    pub kind: Box<str>,
    /// Stable name of the sending system.
    pub source_id: Option<Box<str>>,
    /// How to treat it.
    pub trust_level: TrustLevel,
    /// May do.
    pub scopes: Grants,
    /// Free-form facts for the tenant's services, as the text of a JSON object.
    pub metadata: Box<str>,
    /// When its time is over.
    pub expires_at: Option<Timestamp>,
    /// What is left of each limit, the key's own first.
    pub limits: Vec<LimitState>,
}

impl KeyFacts {
    /// The metadata as a type of yours.
    ///
    /// # Errors
    /// When it has another form.
    pub fn metadata_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.metadata)
    }
}

impl VerifiedKey {
    #[cfg(feature = "engine")]
    pub(crate) fn new(facts: KeyFacts) -> Self {
        Self(Arc::new(facts))
    }

    /// The key of an answer that is a yes; `None` if the answer tells of no key.
    #[cfg(feature = "http")]
    pub(crate) fn of(answer: VerifyAnswer<'_>) -> Option<Self> {
        Some(Self(Arc::new(KeyFacts {
            key_id: answer.key_id?,
            tenant_id: answer.tenant_id?,
            application_id: answer.application_id?,
            customer_id: answer.customer_id,
            environment: answer.environment?,
            kind: answer.kind?.into(),
            source_id: answer.source_id.map(Into::into),
            trust_level: answer.trust_level?,
            scopes: answer.scopes?.into_owned(),
            metadata: answer.metadata?.get().into(),
            expires_at: answer.expires_at,
            limits: answer.limits,
        })))
    }
}

impl Deref for VerifiedKey {
    type Target = KeyFacts;

    fn deref(&self) -> &KeyFacts {
        &self.0
    }
}
