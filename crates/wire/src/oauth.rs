//! The faces that OAuth 2.0 software knows: introspection (RFC 7662) and revocation (RFC 7009). Requests are forms.

use std::fmt;
use std::net::IpAddr;

use keystile_core::{
    ApplicationId, CustomerId, Environment, Grant, Invalid, KeyFacts, KeyId, Permission, Secret, TenantId,
    Timestamp, TrustLevel,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::schema;

/// A question whether an API key is active. What is left out is not checked. Parameters that are not listed here are refused:
/// one that is misspelt must not go unchecked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectRequest {
    /// The key that was presented.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// Is not needed, and changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type_hint: Option<String>,
    /// The environment that is protected.
    #[schema(schema_with = schema::environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The application that is protected.
    #[schema(schema_with = schema::application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
    /// The customer that the request is about.
    #[schema(schema_with = schema::customer_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Where the request came from.
    #[schema(schema_with = schema::ip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Permissions that are needed, with spaces between them; wildcards of the key are honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl IntrospectRequest {
    /// The permissions that are needed.
    ///
    /// # Errors
    /// When one of them is none, or there are too many.
    pub fn permissions(&self) -> Result<Vec<Permission<'_>>, Invalid> {
        let most = keystile_core::permission::MAX_COUNT;
        let texts = self.scope.as_deref().unwrap_or_default().split_ascii_whitespace();
        let parsed = texts.take(most + 1).map(Permission::parse).collect::<Result<Vec<_>, _>>();
        let parsed = parsed.map_err(|invalid| invalid.at("scope"))?;
        if parsed.len() > most {
            return Err(Invalid::new("scope", format!("must have at most {most} permissions")));
        }
        Ok(parsed)
    }
}

/// Whether an API key is active. Of one that is not, nothing else is told.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Introspection {
    /// Whether it can be used for what was asked.
    pub active: bool,
    /// What it may do, with spaces between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The application that it was issued to.
    #[schema(schema_with = schema::application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ApplicationId>,
    /// The key's id.
    #[schema(schema_with = schema::key_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<KeyId>,
    /// `Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// When its time is over, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Restricted to.
    #[schema(schema_with = schema::customer_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Works in.
    #[schema(schema_with = schema::environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Is for.
    #[schema(schema_with = schema::kind)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Stable name of the sending system.
    #[schema(schema_with = schema::word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// How to treat it.
    #[schema(schema_with = schema::trust_level)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<TrustLevel>,
    /// Free-form facts for the tenant's services.
    #[schema(schema_with = schema::object)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
}

impl Introspection {
    /// An active key.
    pub fn active(key: &KeyFacts) -> Self {
        let scopes: Vec<_> = key.scopes.iter().map(Grant::as_str).collect();
        Self {
            active: true,
            scope: Some(scopes.join(" ")),
            client_id: Some(key.application_id),
            sub: Some(key.id),
            token_type: Some("Bearer".to_owned()),
            exp: key.expires_at.map(Timestamp::as_seconds),
            tenant_id: Some(key.tenant_id),
            customer_id: key.customer_id,
            environment: Some(key.environment),
            kind: Some(key.kind.as_str().to_owned()),
            source_id: key.source_id.as_deref().map(str::to_owned),
            trust_level: Some(key.trust_level),
            metadata: RawValue::from_string(key.metadata.to_string()).ok(),
        }
    }
}

/// An API key, or the refresh token of a session, that is to be good for nothing any more.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeTokenRequest {
    /// Its text.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// Is not needed, and changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type_hint: Option<String>,
    /// Is not needed, and changes nothing: the token says itself whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

impl fmt::Debug for RevokeTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokeTokenRequest").finish_non_exhaustive()
    }
}
