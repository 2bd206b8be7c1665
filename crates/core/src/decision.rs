//! Whether a key may do what is asked of it: facts and a question in, yes or one refusal out.

use std::net::IpAddr;

use crate::check::go_through;
use crate::invalid::text_enum;
use crate::permission::Requirement;
use crate::quota::{Budget, BudgetLeft, TokensExceeded};
use crate::rate::Exceeded;
use crate::{
    AllowedIps, ApiKey, ApplicationId, CustomerId, Digest, Environment, Grants, KeyId, KeyKind, KeyStatus,
    Rates, SharedRates, TenantId, Timestamp, TrustLevel,
};

text_enum!(
    /// The one code of a decision, in the order in which it is reached.
    Code {
        /// No credential was sent.
        KeyMissing = "key_missing",
        /// Two different credentials were sent.
        AmbiguousCredentials = "ambiguous_credentials",
        /// Wrong shape or check digits; no look-up was made.
        KeyMalformed = "key_malformed",
        /// Unknown, or another tenant's.
        KeyNotFound = "key_not_found",
        /// Ended for good.
        KeyRevoked = "key_revoked",
        /// Its time is over.
        KeyExpired = "key_expired",
        /// Switched off for a while.
        KeyInactive = "key_inactive",
        /// Belongs to another environment.
        WrongEnvironment = "wrong_environment",
        /// Barred for abuse, a leak or billing.
        KeyBlocked = "key_blocked",
        /// Issued to another application.
        WrongApplication = "wrong_application",
        /// Not from this address.
        IpNotAllowed = "ip_not_allowed",
        /// Scoped to another customer.
        WrongCustomer = "wrong_customer",
        /// A permission is missing.
        PermissionDenied = "permission_denied",
        /// Not with this model.
        ModelNotAllowed = "model_not_allowed",
        /// Too many requests.
        RateLimited = "rate_limited",
        /// Too many tokens.
        TokensLimited = "tokens_limited",
        /// Nothing left to spend.
        BudgetExhausted = "budget_exhausted",
        /// Whether the key is good cannot be known now.
        EnforcementUnavailable = "enforcement_unavailable",
        /// Yes.
        Allowed = "allowed",
    }
);

/// Why a key may not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A refusal its code alone explains.
    Plain(Code),
    /// The key lacks this permission; empty when nothing could satisfy the question.
    PermissionDenied {
        /// The first permission that is missing.
        missing: String,
    },
    /// One of the limits on requests is used up.
    RateLimited(Box<Exceeded>),
    /// The tokens it needs do not fit the limit.
    TokensLimited(Box<TokensExceeded>),
    /// What it may cost does not fit what is left of the budget.
    BudgetExhausted(Box<BudgetLeft>),
}

impl Refusal {
    /// The code callers see.
    pub const fn code(&self) -> Code {
        match self {
            Self::Plain(code) => *code,
            Self::PermissionDenied { .. } => Code::PermissionDenied,
            Self::RateLimited(_) => Code::RateLimited,
            Self::TokensLimited(_) => Code::TokensLimited,
            Self::BudgetExhausted(_) => Code::BudgetExhausted,
        }
    }
}

/// What verification needs to know of a key. Facts, never verdicts: they hold until the key is changed.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// Which key.
    pub id: KeyId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Issued to.
    pub application_id: ApplicationId,
    /// Restricted to.
    pub customer_id: Option<CustomerId>,
    /// Works in.
    pub environment: Environment,
    /// Is for.
    pub kind: KeyKind,
    /// Stable name of the sending system.
    pub source_id: Option<Box<str>>,
    /// How to treat it.
    pub trust_level: TrustLevel,
    /// May do.
    pub scopes: Grants,
    /// May be used from.
    pub allowed_ips: AllowedIps,
    /// Free-form facts for the tenant's services, as JSON text.
    pub metadata: Box<str>,
    /// Its status with its expiry left aside; [`KeyFacts::status`] puts the two together.
    pub standing: KeyStatus,
    /// When its time is over.
    pub expires_at: Option<Timestamp>,
    /// Whether it is barred.
    pub blocked: bool,
    /// How much it may be used; `None` is as much as one likes.
    pub limits: Option<LineageLimits>,
}

/// Limits of a key, which are counted together with those of the keys it was rotated from and into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageLimits {
    /// The first of these keys.
    pub lineage_id: KeyId,
    /// Limits on requests.
    pub rates: Rates,
    /// Tokens per minute.
    pub tokens: Option<u64>,
    /// Most that may be spent.
    pub budget: Option<Budget>,
}

/// All that is read of a key when it is not in memory.
#[derive(Debug, Clone)]
pub struct KeyReading {
    /// What it is recognised by.
    pub digest: Digest,
    /// The key.
    pub facts: KeyFacts,
    /// The limits it shares with other keys of its customer, application and tenant. They are not among the facts,
    /// because they change without the key.
    pub shared_rates: SharedRates,
}

impl LineageLimits {
    /// The limits of a record. Also one without any has them, if it is for models: what it spends is its lineage's.
    pub fn of(key: &ApiKey) -> Option<Self> {
        let limits = Self {
            lineage_id: key.lineage_id,
            rates: key.limits.request_rates(),
            tokens: key.limits.tpm,
            budget: key.limits.budget(),
        };
        limits.if_needed(&key.kind)
    }

    /// `rates`, if there are any, and no other limit.
    pub fn new(lineage_id: KeyId, rates: Rates) -> Option<Self> {
        (!rates.is_empty()).then_some(Self { lineage_id, rates, tokens: None, budget: None })
    }

    /// These limits, if there are any, or if a key of this kind has them in any case.
    pub fn if_needed(self, kind: &KeyKind) -> Option<Self> {
        let for_models = match kind {
            KeyKind::VirtualLlm { .. } => true,
            KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => false,
        };
        let limited = !self.rates.is_empty() || self.tokens.is_some() || self.budget.is_some();
        (limited || for_models).then_some(self)
    }
}

impl KeyFacts {
    /// The facts of a record.
    pub fn of(key: &ApiKey) -> Self {
        let before_any_expiry = Timestamp::from_millis(i64::MIN);
        Self {
            id: key.id,
            tenant_id: key.tenant_id,
            application_id: key.application_id,
            customer_id: key.customer_id,
            environment: key.environment,
            kind: key.kind.clone(),
            source_id: key.source_id.as_deref().map(Into::into),
            trust_level: key.trust_level,
            scopes: key.scopes.clone(),
            allowed_ips: key.allowed_ips.clone(),
            metadata: serde_json::Value::Object(key.metadata.clone()).to_string().into(),
            standing: key.status(before_any_expiry),
            expires_at: key.expires_at,
            blocked: key.blocked.is_some(),
            limits: LineageLimits::of(key),
        }
    }

    /// The key's status at `now`: revoked beats expired beats inactive.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        let expired = self.expires_at.is_some_and(|end| end <= now);
        match self.standing {
            KeyStatus::Revoked => KeyStatus::Revoked,
            KeyStatus::Active | KeyStatus::Inactive | KeyStatus::Expired if expired => KeyStatus::Expired,
            KeyStatus::Active => KeyStatus::Active,
            KeyStatus::Inactive => KeyStatus::Inactive,
            KeyStatus::Expired => KeyStatus::Expired,
        }
    }
}

/// What is asked of a key. What is `None` is not checked, except the address: a key that lists addresses
/// cannot be used from an unknown one.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The tenant that asks; keys of others do not exist for it.
    pub tenant_id: Option<TenantId>,
    /// Here.
    pub environment: Option<Environment>,
    /// For this application.
    pub application_id: Option<ApplicationId>,
    /// From this address.
    pub ip: Option<IpAddr>,
    /// On behalf of this customer.
    pub customer_id: Option<CustomerId>,
    /// To do this.
    pub permissions: Requirement<'a>,
    /// With this model.
    pub model: Option<&'a str>,
    /// How many requests it counts as against limits; 0 is counted nowhere.
    pub cost: u32,
}

impl Ask<'_> {
    /// Asks for nothing but a usable key.
    pub const ANYTHING: Self = Self {
        tenant_id: None,
        environment: None,
        application_id: None,
        ip: None,
        customer_id: None,
        permissions: Requirement::NONE,
        model: None,
        cost: 1,
    };
}

/// Decides in the documented order; the first check that fails is the answer. Limits come after it: what is
/// refused here is counted against none.
///
/// # Errors
/// The refusal, when there is one.
pub fn decide(facts: &KeyFacts, ask: &Ask<'_>, now: Timestamp) -> Result<(), Refusal> {
    go_through(facts, ask, now, |_, outcome| outcome)
}
