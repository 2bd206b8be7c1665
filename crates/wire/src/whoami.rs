//! What the holder of a key may know of it.

use keystile_core::{
    ApplicationId, CustomerId, Environment, Grants, KeyFacts, KeyId, KeyKind, TenantId, Timestamp, TrustLevel,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BudgetLeftView, LimitState, TokensLeft, schema};

/// A key as its holder sees it. What the tenant notes about it (name, tags, metadata) is not the holder's to read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WhoamiView {
    /// Which key.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Issued to.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// Restricted to.
    #[schema(schema_with = schema::customer_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Works in.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// Is for.
    #[schema(schema_with = schema::kind)]
    pub kind: String,
    /// Stable name of the sending system.
    #[schema(schema_with = schema::word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// How it is treated.
    #[schema(schema_with = schema::trust_level)]
    pub trust_level: TrustLevel,
    /// May do.
    #[schema(schema_with = schema::grants)]
    pub scopes: Grants,
    /// May be used from; empty: from anywhere.
    pub allowed_ips: Vec<String>,
    /// May use, if it is for models; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<Vec<String>>,
    /// When its time is over.
    #[schema(schema_with = schema::time)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What is left of each limit, the key's own first.
    pub limits: Vec<LimitState>,
    /// What is left of its tokens per minute, if they are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokensLeft>,
    /// What is left of its budget, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetLeftView>,
}

impl WhoamiView {
    /// The key with these facts, and what is left to it.
    pub fn of(key: KeyFacts, limits: Vec<LimitState>) -> Self {
        let kind = key.kind.as_str().to_owned();
        let allowed_models = match key.kind {
            KeyKind::VirtualLlm { allowed_models } => {
                Some(allowed_models.iter().map(|model| model.as_str().to_owned()).collect())
            }
            KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => None,
        };
        Self {
            key_id: key.id,
            tenant_id: key.tenant_id,
            application_id: key.application_id,
            customer_id: key.customer_id,
            environment: key.environment,
            kind,
            source_id: key.source_id.map(Into::into),
            trust_level: key.trust_level,
            scopes: key.scopes,
            allowed_ips: key.allowed_ips.iter().collect(),
            allowed_models,
            expires_at: key.expires_at,
            limits,
            tokens: None,
            budget: None,
        }
    }
}
