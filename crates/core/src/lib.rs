//! What a key, an environment, a permission and a decision **are**.
//!
//! This crate is pure: it never reads a clock, never takes randomness by itself, and does no input or
//! output. Time and random bytes are arguments; the [`Clock`] and [`Entropy`] traits say how the outer
//! layers hand them down. It must never know a database, HTTP or JSON request shapes.

pub mod append;
pub mod audit;
pub mod catalogue;
pub mod change;
pub mod check;
pub mod customer;
pub mod decision;
pub mod environment;
pub mod event;
mod host;
pub mod id;
pub mod invalid;
pub mod invitation;
pub mod job;
pub mod journal;
pub mod key;
pub mod leak;
pub mod limit;
pub mod llm;
pub mod money;
pub mod network;
pub mod overview;
pub mod permission;
pub mod quota;
pub mod rate;
mod reach;
pub mod request_log;
pub mod role;
pub mod route;
pub mod secret;
pub mod session;
pub mod tenancy;
pub mod text;
pub mod time;
pub mod usage;
pub mod webhook;

pub use append::{Append, append_list};
pub use audit::chain::{ChainHead, RecordedEntry, SealedEntry, Seq};
pub use audit::{Action, Actor, AuditEntry};
pub use catalogue::{CatalogueEntry, PermissionName};
pub use change::{Change, LimitedId};
pub use check::{Check, Checked, Finding, explain};
pub use customer::{Customer, CustomerPatch};
pub use decision::{Ask, Code, KeyFacts, KeyReading, LineageLimits, Refusal, decide};
pub use environment::Environment;
pub use event::{Entity, EntityName, Event, Heard, Overwriting, Stamp, StoredEvent};
pub use id::{
    ApplicationId, AuditId, CustomerId, DeliveryId, EventId, HoldId, InvitationId, JobId, JournalId, KeyId,
    LeakId, LedgerId, LogId, ModelId, NodeId, PersonId, ProviderId, SessionId, TenantId, WebhookId,
};
pub use invalid::Invalid;
pub use invitation::Invitation;
pub use job::{Job, JobError, JobKind, JobProblem, JobState};
pub use journal::{JournalLine, KnownEnds};
pub use key::{ApiKey, KeyKind, KeyStatus, SourceType, TrustLevel};
pub use leak::{LeakDeed, LeakReport, LeakSource, LeakState, OnLeak};
pub use limit::{BudgetPeriod, Limits, RateLimit, RequestLimits, RequestLimitsPatch, WhenAway};
pub use llm::{
    BaseUrl, Consumption, Encoding, Model, ModelName, PicoUsd, Price, Protocol, Provider, Upstream, Upstreams,
};
pub use money::NanoUsd;
pub use network::AllowedIps;
pub use permission::{Grant, Grants, Permission, Requirement};
pub use quota::{Budget, BudgetLeft, LedgerEntry, TokensExceeded};
pub use rate::{Owner, Rate, Rates, SharedRates};
pub use reach::Reach;
pub use request_log::{
    LogBreak, LogExportFormat, LogFace, LogFilter, LogMethod, LogRequests, LogResult, LoggedRequest,
    MissingRequests,
};
pub use role::Role;
pub use route::Routing;
pub use secret::{Digest, Digesting, Secret};
pub use session::{Session, SessionEnd};
pub use tenancy::{
    Application, ApplicationPatch, Member, Membership, Person, Tenant, TenantPatch, TenantSettings,
};
pub use text::{Email, KeyLabel, Name};
pub use time::{Clock, Timestamp};
pub use usage::{KeyUsage, Minute};
pub use webhook::{Delivery, DeliveryState, Webhook, WebhookEvent, WebhookUrl, WhyDisabled};

/// A source of unpredictable bytes; in production the operating system's.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` completely.
    ///
    /// # Errors
    /// When the operating system cannot give random bytes; nothing may be minted then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;
