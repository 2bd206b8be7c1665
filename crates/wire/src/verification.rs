//! The question whether a key is good, and its answer.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use keystile_core::limit::MAX_COUNT;
use keystile_core::quota::{TOKEN_WINDOW_SECONDS, TPM, TokensExceeded};
use keystile_core::rate::{Count, Exceeded};
use keystile_core::{
    ApplicationId, Code, CustomerId, Environment, Grants, HoldId, Invalid, KeyId, Owner, Rate, Secret,
    TenantId, Timestamp, TrustLevel,
};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{BudgetLeftView, CheckView, Estimate, TokensLeft, schema};

/// A question about a key. What is left out is not checked; a key that lists addresses is refused unless
/// `ip` is one of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The secret that was presented.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub key: Secret,
    /// The environment the request is for.
    #[schema(schema_with = schema::maybe_environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The application the request is for.
    #[schema(schema_with = schema::maybe_application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
    /// What the request needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionsAsked>,
    /// The customer the request is about.
    #[schema(schema_with = schema::maybe_customer_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Where the request came from.
    #[schema(schema_with = schema::maybe_ip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The model the request wants to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many requests it counts as against limits; 1 by default. 0 asks without counting.
    #[schema(maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// What the request is estimated to use at most. With a yes it is held, and `hold_id` settles it: `POST /api/v1/holds/{hold_id}/settle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// Tells every check in order, after the first that fails, too. Nothing is counted or held, and no use is noted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
}

impl VerifyRequest {
    /// The cost, checked.
    ///
    /// # Errors
    /// For one that no limit could hold.
    pub fn cost(&self) -> Result<u32, Invalid> {
        let most = MAX_COUNT;
        let cost = u32::try_from(self.cost.unwrap_or(1)).ok().filter(|cost| u64::from(*cost) <= most);
        cost.ok_or_else(|| Invalid::new("cost", format!("must be from 0 to {most}")))
    }
}

/// One limit and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitState {
    /// Whose limit it is: the key's (and of the keys it was rotated from and into), or one it shares with the other keys
    /// of its customer, application or tenant.
    #[schema(schema_with = schema::owner)]
    pub owner: Owner,
    /// `rpm`, `tpm`, or the name of the rate limit.
    pub name: String,
    /// Requests per window; of `tpm` tokens.
    pub limit: u64,
    /// Length of the window.
    pub window_seconds: u64,
    /// Requests that would be admitted now, never more than its `burst`; of `tpm` tokens.
    pub remaining: u64,
    /// Seconds until nothing of it is used any more, if no request comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_seconds: Option<u64>,
    /// With a refusal: seconds until the same request fits; left out if it never will, because it costs more than can
    /// ever come at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl LimitState {
    /// What is left of a limit of this owner.
    pub fn left(owner: Owner, rate: &Rate, count: Count) -> Self {
        Self {
            owner,
            name: rate.name().to_owned(),
            limit: rate.limit(),
            window_seconds: rate.window_seconds(),
            remaining: count.remaining,
            reset_seconds: Some(count.reset_millis.div_ceil(1_000)),
            retry_after_seconds: None,
        }
    }

    /// The limit that refused a request; `None` never happens.
    pub fn refusing(exceeded: &Exceeded) -> Option<Self> {
        let rate = exceeded.rate()?;
        Some(Self {
            owner: exceeded.owner,
            name: rate.name().to_owned(),
            limit: rate.limit(),
            window_seconds: rate.window_seconds(),
            remaining: exceeded.remaining,
            reset_seconds: None,
            retry_after_seconds: exceeded.retry_after_seconds(),
        })
    }

    /// The limit on tokens that refused a request.
    pub fn of_tokens(exceeded: &TokensExceeded) -> Self {
        Self {
            owner: Owner::Key,
            name: TPM.to_owned(),
            limit: exceeded.limit,
            window_seconds: TOKEN_WINDOW_SECONDS,
            remaining: exceeded.remaining(),
            reset_seconds: None,
            retry_after_seconds: exceeded.retry_after_seconds(),
        }
    }
}

/// Permissions a request needs: a list means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum PermissionsAsked {
    /// All of these.
    List(Vec<String>),
    /// All of these.
    All {
        /// The permissions.
        all: Vec<String>,
    },
    /// At least one of these.
    Any {
        /// The permissions.
        any: Vec<String>,
    },
}

impl PermissionsAsked {
    /// The permissions, and whether one of them is enough.
    pub fn parts(&self) -> (&[String], bool) {
        match self {
            Self::List(all) | Self::All { all } => (all, false),
            Self::Any { any } => (any, true),
        }
    }
}

/// By hand: what serde derives reads a general value first and tries it against each form, and
/// its error does not say what is expected.
impl<'de> Deserialize<'de> for PermissionsAsked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AskedVisitor)
    }
}

struct AskedVisitor;

impl<'de> Visitor<'de> for AskedVisitor {
    type Value = PermissionsAsked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or an object with either `all` or `any`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<PermissionsAsked, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(PermissionsAsked::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<PermissionsAsked, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Quantified {
            all: Option<Vec<String>>,
            any: Option<Vec<String>>,
        }
        match Quantified::deserialize(MapAccessDeserializer::new(object))? {
            Quantified { all: Some(all), any: None } => Ok(PermissionsAsked::All { all }),
            Quantified { all: None, any: Some(any) } => Ok(PermissionsAsked::Any { any }),
            _ => Err(A::Error::custom("must have either `all` or `any`")),
        }
    }
}

/// The answer about a key. Its facts are there whenever it is known and the caller's own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyAnswer<'a> {
    /// Whether the key may do what was asked.
    pub valid: bool,
    /// `allowed`, or why not.
    #[schema(schema_with = schema::code)]
    pub code: Code,
    /// With `permission_denied`: the permission that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_permission: Option<Cow<'a, str>>,
    /// With `rate_limited`: the limit that is used up, for the longest time if there are several; with `tokens_limited`: the one on tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<LimitState>,
    /// With a yes or `explain`: what is left of each limit, the key's own first; left out if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitState>,
    /// Which key.
    #[schema(schema_with = schema::key_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Issued to.
    #[schema(schema_with = schema::application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
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
    pub kind: Option<Cow<'a, str>>,
    /// Stable name of the sending system.
    #[schema(schema_with = schema::word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<Cow<'a, str>>,
    /// How to treat it.
    #[schema(schema_with = schema::trust_level)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<TrustLevel>,
    /// May do.
    #[schema(schema_with = schema::grants)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Cow<'a, Grants>>,
    /// Free-form facts for the tenant's services.
    #[schema(schema_with = schema::object)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Cow<'a, RawValue>>,
    /// When its time is over.
    #[schema(schema_with = schema::time)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// With a yes and an estimate: names what is held. Whoever does not settle it in time is charged all of it.
    #[schema(schema_with = schema::hold_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<HoldId>,
    /// Until when it has to be settled.
    #[schema(schema_with = schema::time)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_deadline_at: Option<Timestamp>,
    /// What is left of its tokens per minute, if they are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokensLeft>,
    /// What is left of its budget, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetLeftView>,
    /// With `explain`: every check, in the order of decisions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckView>,
}

impl VerifyAnswer<'_> {
    /// The answer `code` about a key that is not known, or not the caller's.
    pub fn unknown(code: Code) -> Self {
        Self {
            valid: false,
            code,
            missing_permission: None,
            limited_by: None,
            limits: Vec::new(),
            key_id: None,
            tenant_id: None,
            application_id: None,
            customer_id: None,
            environment: None,
            kind: None,
            source_id: None,
            trust_level: None,
            scopes: None,
            metadata: None,
            expires_at: None,
            hold_id: None,
            hold_deadline_at: None,
            tokens: None,
            budget: None,
            checks: Vec::new(),
        }
    }
}
