//! A key before it is made.

use crate::key::{KeyKind, KeyPatch, SecretFacts};
use crate::{ApplicationId, Environment, Name, Secret};

/// A checked request for a new key.
#[derive(Debug)]
pub struct KeyDraft {
    /// What operators call it.
    pub name: Name,
    /// Where it works.
    pub environment: Environment,
    /// The application, or the tenant's first.
    pub application_id: Option<ApplicationId>,
    /// What it is for, not yet issued to anyone.
    pub kind: KeyKind,
    /// A secret the tenant brings.
    pub secret: Option<Secret>,
    /// All other settings.
    pub settings: KeyPatch,
}

/// A checked request to take over a key of another system, whose secret is known by its hash only.
#[derive(Debug)]
pub struct KeyImport {
    /// The key, without a secret.
    pub draft: KeyDraft,
    /// The hash, and what else the other system tells of the secret.
    pub secret: SecretFacts,
}
