//! The record of a key, as the control plane keeps it.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::invalid::text_enum;
use crate::{
    Actor, AllowedIps, ApplicationId, CustomerId, Digest, Environment, Grants, Invalid, KeyId, Limits, Name,
    Secret, TenantId, Timestamp,
};

text_enum!(
    /// How a receiver should treat the source that holds the key.
    TrustLevel {
        /// A less trusted or customer-controlled source; the safest, and the default.
        External = "external",
        /// A system the tenant's own team operates.
        Internal = "internal",
        /// Traffic considered highly reliable.
        Trusted = "trusted",
    }
);

text_enum!(
    /// Where a write originated.
    SourceType {
        /// A page in a browser.
        Frontend = "frontend",
        /// A service behind one.
        Backend = "backend",
        /// A server of the tenant.
        Server = "server",
        /// Keystile or another system by itself.
        System = "system",
        /// A call of the API; the default.
        Api = "api",
    }
);

text_enum!(
    /// Whether a key can be used, derived from its record and the clock.
    KeyStatus {
        /// It can.
        Active = "active",
        /// It is switched off for a while.
        Inactive = "inactive",
        /// It was ended for good.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
    }
);

/// What a key is for, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// One system calling another.
    Service {
        /// The service it was issued to.
        issued_to_service: Option<String>,
    },
    /// A human with tools.
    User {
        /// The user it was issued to, in the tenant's own words.
        issued_to_user_id: Option<String>,
    },
    /// A source that sends events.
    Ingest,
    /// A client of the LLM gateway.
    VirtualLlm {
        /// Models it may use; empty means none.
        allowed_models: Vec<ModelPattern>,
    },
}

impl KeyKind {
    /// The names of all kinds.
    pub const NAMES: [&'static str; 4] = ["service", "user", "ingest", "virtual_llm"];

    /// The kind's name in JSON and SQL.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Service { .. } => "service",
            Self::User { .. } => "user",
            Self::Ingest => "ingest",
            Self::VirtualLlm { .. } => "virtual_llm",
        }
    }

    /// Whether a key of this kind may use `model`.
    pub fn allows_model(&self, model: &str) -> bool {
        self.models().iter().any(|pattern| pattern.matches(model))
    }

    /// The first model of a key of the kind `wanted` that a key of this kind may not use, so that it cannot hand it out.
    pub fn first_model_beyond<'w>(&self, wanted: &'w Self) -> Option<&'w ModelPattern> {
        let held = self.models();
        wanted.models().iter().find(|other| !held.iter().any(|pattern| pattern.covers(other)))
    }

    fn models(&self) -> &[ModelPattern] {
        match self {
            Self::VirtualLlm { allowed_models } => allowed_models,
            Self::Service { .. } | Self::User { .. } | Self::Ingest => &[],
        }
    }
}

/// A model's name, or the beginning of one before a final `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPattern(Box<str>);

impl ModelPattern {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `model` is meant.
    pub fn matches(&self, model: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => *self.0 == *model,
        }
    }

    /// Whether every model that `other` means is meant.
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => other.0.starts_with(beginning),
            None => self == other,
        }
    }
}

impl FromStr for ModelPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let plain = beginning.bytes().all(|b| b.is_ascii_graphic() && b != b'*');
        if plain && (1..=128).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::rule("must be a model name such as `gpt-4o`, or its beginning before a final `*`"))
        }
    }
}

/// What is kept of a secret: enough to recognise it, never enough to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFacts {
    /// SHA-256 of the whole text.
    pub digest: Digest,
    /// The first 8 characters.
    pub prefix: String,
    /// Up to and with the first 4 characters of the random body; the first 8 of a brought secret.
    pub key_prefix: String,
    /// The last 4 characters.
    pub last4: String,
}

impl SecretFacts {
    /// Takes down what may be known of `secret`, which has at least 24 ASCII characters.
    pub fn of(secret: &Secret) -> Self {
        let text = secret.expose();
        let shown = match super::Presented::parse(text) {
            Ok(super::Presented::Ours(_)) => text.rfind('_').map_or(8, |underscore| underscore + 5),
            Ok(super::Presented::Foreign) | Err(_) => 8,
        };
        let first = |count: usize| text.chars().take(count).collect::<String>();
        Self {
            digest: secret.digest(),
            prefix: first(8),
            key_prefix: first(shown),
            last4: text.chars().skip(text.chars().count().saturating_sub(4)).collect(),
        }
    }
}

impl From<&Secret> for SecretFacts {
    fn from(secret: &Secret) -> Self {
        Self::of(secret)
    }
}

/// The final end of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
}

/// The record of one API key.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// Which one.
    pub id: KeyId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The application it was issued to.
    pub application_id: ApplicationId,
    /// The application for which automation made it; none for a key that a person made.
    pub app_id: Option<ApplicationId>,
    /// The customer it is restricted to.
    pub customer_id: Option<CustomerId>,
    /// What operators call it.
    pub name: Name,
    /// The only environment it works in; never changes.
    pub environment: Environment,
    /// What it is for.
    pub kind: KeyKind,
    /// Stable name of the sending system.
    pub source_id: Option<String>,
    /// How that system should be treated.
    pub trust_level: TrustLevel,
    /// What it may do.
    pub scopes: Grants,
    /// Where it may be used from.
    pub allowed_ips: AllowedIps,
    /// How often and at what cost.
    pub limits: Limits,
    /// Whether it is switched on; `inactive` otherwise.
    pub enabled: bool,
    /// Why it is barred, when it is.
    pub blocked: Option<String>,
    /// Its final end, once it has come.
    pub revoked: Option<Revocation>,
    /// When its time is over.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The address it was last used from.
    pub last_used_ip: Option<String>,
    /// What is kept of its secret.
    pub secret: SecretFacts,
    /// When its present secret was made; rotation is due from here.
    pub secret_created_at: Timestamp,
    /// The key it was rotated from.
    pub rotated_from_key_id: Option<KeyId>,
    /// The first key of its chain of rotations; limits and budgets belong to it.
    pub lineage_id: KeyId,
    /// Who made it.
    pub created_by: Actor,
    /// Who wrote it last.
    pub updated_by: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// When and by whom it was taken out of the lists.
    pub deleted: Option<(Timestamp, Actor)>,
    /// Provenance of the write, free text.
    pub source: Option<String>,
    /// Where the write originated.
    pub source_type: SourceType,
    /// Free-form tags: a JSON object of at most 16 KiB.
    pub tags: Map<String, Value>,
    /// Free-form facts for the tenant's services: a JSON object of at most 16 KiB.
    pub metadata: Map<String, Value>,
    /// Counts the writes, from 1.
    pub version: i64,
    /// Form of the record.
    pub schema_version: i64,
}

impl ApiKey {
    /// Most bytes of `tags` and of `metadata`, each as JSON text.
    pub const MAX_OBJECT_BYTES: usize = 16 * 1024;
    /// Most levels of lists and objects in `tags` and in `metadata`, so that whatever they are shown in can be read.
    pub const MAX_OBJECT_DEPTH: usize = 32;
    /// The present form of the record.
    pub const SCHEMA_VERSION: i64 = 1;

    /// A key as it begins: a service's, in production, active, with nothing granted and nothing restricted.
    pub fn new(
        id: KeyId,
        tenant_id: TenantId,
        application_id: ApplicationId,
        name: Name,
        secret: impl Into<SecretFacts>,
        made_by: Actor,
        made_at: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant_id,
            application_id,
            app_id: None,
            customer_id: None,
            name,
            environment: Environment::Production,
            kind: KeyKind::Service { issued_to_service: None },
            source_id: None,
            trust_level: TrustLevel::External,
            scopes: Grants::default(),
            allowed_ips: AllowedIps::default(),
            limits: Limits::default(),
            enabled: true,
            blocked: None,
            revoked: None,
            expires_at: None,
            last_used_at: None,
            last_used_ip: None,
            secret: secret.into(),
            secret_created_at: made_at,
            rotated_from_key_id: None,
            lineage_id: id,
            created_by: made_by,
            updated_by: made_by,
            created_at: made_at,
            updated_at: made_at,
            deleted: None,
            source: None,
            source_type: SourceType::Api,
            tags: Map::new(),
            metadata: Map::new(),
            version: 1,
            schema_version: Self::SCHEMA_VERSION,
        }
    }

    /// Whether the key can be used at `now`, and if not, why: revoked beats expired beats inactive.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked.is_some() || self.deleted.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyStatus::Expired
        } else if self.enabled {
            KeyStatus::Active
        } else {
            KeyStatus::Inactive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::mint;

    #[test]
    fn what_is_kept_of_a_secret_shows_its_ends_only() {
        let minted = mint(&"acme".parse().unwrap(), Environment::Staging, &[9; 32]);
        let facts = SecretFacts::of(&minted);
        assert_eq!(facts.prefix, "sk_acme_");
        assert_eq!(facts.key_prefix, minted.expose()[.."sk_acme_stage_".len() + 4]);
        assert!(minted.expose().ends_with(&facts.last4) && facts.last4.len() == 4);
        let brought = SecretFacts::of(&Secret::new("9f8e7d6c5b4a39281706f5e4"));
        assert_eq!((brought.key_prefix.as_str(), brought.last4.as_str()), ("9f8e7d6c", "f5e4"));
    }

    #[test]
    fn a_model_pattern_is_a_name_or_its_beginning() {
        let pattern = |text: &str| text.parse::<ModelPattern>().unwrap();
        assert!(pattern("gpt-4o").matches("gpt-4o") && !pattern("gpt-4o").matches("gpt-4o-mini"));
        assert!(pattern("gpt-4o*").matches("gpt-4o-mini") && pattern("*").matches("anything"));
        for bad in ["", "a*b", "a b", "**"] {
            assert!(bad.parse::<ModelPattern>().is_err(), "{bad}");
        }
    }
}
