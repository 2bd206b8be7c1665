//! Why a use case did not happen.

use std::sync::Arc;

use keystile_core::{Change, Invalid, KeyId, NoEntropy, Refusal};
use keystile_store::{Archived, Doubt, StoreError, Unique};

use crate::Lacking;

/// A use case that did not happen; nothing was changed, unless it is [`Self::InDoubt`].
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The caller must mend the request.
    #[error("the request breaks {} rule(s)", .0.len())]
    Invalid(Vec<Invalid>),
    /// Unknown, or another tenant's; the two cannot be told apart.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The email address or the password is wrong, or the person may not sign in.
    #[error(
        "the email address, the password or the code is wrong; after many wrong attempts, wait before the next"
    )]
    WrongCredentials,
    /// The password is right, and the person has a second factor, which was not shown.
    #[error("a second factor is needed: send `code` from your authenticator, or a `recovery_code`")]
    SecondFactorMissing,
    /// The tenant wants a second factor, and the session has none.
    #[error(
        "this tenant requires a second factor: enrol one with `POST /api/v1/auth/totp` and your password, or sign in with it"
    )]
    SecondFactorRequired,
    /// Not a refresh token of ours, or one that was swept.
    #[error("the refresh token is unknown or has expired; sign in again")]
    RefreshToken,
    /// Not a token to set a password anew, or one that is over.
    #[error("this token to set a password was used, replaced or has expired; ask for a new one")]
    ResetToken,
    /// Not the token that was made for setting up when this server started.
    #[error(
        "this token to set Keystile up is not the one that this start of the server made; see what it has written"
    )]
    SetupToken,
    /// Too many wrong tokens were shown: for a while none is looked at.
    #[error("too many wrong tokens to set Keystile up were tried; wait {seconds} s before the next")]
    SetupPaused {
        /// How long, rounded up.
        seconds: u64,
    },
    /// There is nothing to set up any more.
    #[error("this Keystile is set up already; sign in")]
    SetUpAlready,
    /// The session was ended, or the person disabled, since the token was made.
    #[error("the session has ended")]
    SessionEnded,
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(Lacking),
    /// The key that the caller holds, or that its token was made for, cannot be used now.
    #[error("the API key is refused: {}", .0.code())]
    Key(Refusal),
    /// Something else stands in the way.
    #[error("{0}")]
    Conflict(Conflict),
    /// Keys cannot be imported, because other keys have or had their hashes.
    #[error("{} hash(es) cannot be imported", .0.len())]
    HashesTaken(Vec<Invalid>),
    /// The record has moved on since the caller read it.
    #[error("the record is at version {current} by now")]
    VersionConflict {
        /// Where it is.
        current: i64,
    },
    /// The request log cannot be read here.
    #[error("the request log of this server is kept in {0}; whoever runs the server can read it there")]
    LogElsewhere(Arc<str>),
    /// The caller must take another idempotency key for another request.
    #[error("this Idempotency-Key was sent with another request; take a new one for a new request")]
    IdempotencyKeyReused,
    /// An operator must act: the store is away or broken.
    #[error("the store does not answer")]
    Store(#[source] StoreError),
    /// The store was lost while it committed: nobody knows whether the change happened. Before this is told
    /// to anyone, the data plane must forget what it may have made untrue, and keep nothing of that until the
    /// transaction has ended.
    #[error("the store was lost during the commit")]
    InDoubt {
        /// What verification may no longer believe.
        change: Change,
        /// The transaction that may still happen.
        doubt: Doubt,
        /// What the store said.
        source: StoreError,
    },
    /// So much is being done already that the caller must come back later.
    #[error("too many passwords or secrets are checked at once; try again in a moment")]
    Busy,
    /// So many jobs of the tenant are not over that the caller must come back later.
    #[error(
        "{} background jobs of this tenant are not over, which is as many as there can be; wait for one, or cancel one",
        keystile_core::job::MOST_OPEN
    )]
    TooManyJobs,
    /// An operator must act: the machine gives no random bytes or a computation failed.
    #[error("{0}")]
    Internal(String),
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A brought secret is, or was, some key's.
    #[error("a key with this secret exists already, or existed")]
    SecretExists,
    /// The tenant has an application of that name.
    #[error("an application of this name exists already")]
    ApplicationName,
    /// The application takes no new keys.
    #[error("the application is archived and takes no new keys; bring it back, or choose another")]
    ApplicationArchived,
    /// The catalogue is as long as it can be.
    #[error(
        "the application has {} permissions, which is as many as it can have",
        keystile_core::catalogue::MAX_ENTRIES
    )]
    CatalogueFull,
    /// The person owns as many tenants as one can.
    #[error(
        "you own {} tenants, which is as many as one person can make; another person can make one, and invite you",
        keystile_core::Tenant::MOST_OWNED
    )]
    TooManyTenants,
    /// The tenant has as many webhooks as it can.
    #[error(
        "the tenant has {} webhooks, which is as many as it can have; take one away first",
        keystile_core::webhook::MOST_WEBHOOKS
    )]
    TooManyWebhooks,
    /// The tenant has as many providers as it can.
    #[error(
        "the tenant has {} providers of models, which is as many as it can have; take one away first",
        keystile_core::llm::MOST_PROVIDERS
    )]
    TooManyProviders,
    /// The tenant has a provider of that name.
    #[error("a provider of this name exists already")]
    ProviderName,
    /// Models of the provider are still offered.
    #[error("the provider has models; delete them first, or switch it off")]
    ProviderHasModels,
    /// The tenant would have more models than it can.
    #[error(
        "the tenant would have more than {} models, which is as many as it can have; take some away, or choose fewer",
        keystile_core::llm::MOST_MODELS
    )]
    TooManyModels,
    /// The provider has a model of that name.
    #[error("the provider has a model of this name already; change that one")]
    ModelName,
    /// The row of the ledger is a correction.
    #[error("this row corrects another one; correct that, which `corrects` names")]
    IsCorrection,
    /// The tenant has a customer with that external id.
    #[error("a customer with this external id exists already")]
    ExternalId,
    /// The tenant would have nobody left who owns it.
    #[error("this is the last owner; make another member an owner first")]
    LastOwner,
    /// The address is a member's.
    #[error("this person is a member already")]
    MemberAlready,
    /// The address has an open invitation.
    #[error("this address is invited already; revoke that invitation to make another")]
    InvitedAlready,
    /// A person has this address.
    #[error("a person with this email address exists already")]
    Email,
    /// A confirmed second factor is removed before another is enrolled.
    #[error("you have a second factor; remove it before you enrol another")]
    SecondFactor,
    /// A revoked key stays as it is.
    #[error("the key is revoked, which is final; create a new one")]
    KeyRevoked,
    /// An expired key cannot be rotated.
    #[error("the key has expired; give it a later end first, or create a new one")]
    KeyExpired,
    /// A rotated key has one successor at a time.
    #[error("the key was rotated already, to {0}; rotate that one, or revoke it first")]
    AlreadyRotated(KeyId),
    /// There are other keys than whoever asks for a job thinks.
    #[error("the filter finds {0} keys by now; look at them, and ask with that number if they are meant")]
    JobKeysDiffer(u64),
    /// Nothing of a job is left to be cancelled.
    #[error("the job is over")]
    JobOver,
    /// Only a failed job can go on, and for a while only.
    #[error("the job has not failed, or so long ago that what it needs is gone; make another")]
    JobNotFailed,
    /// What a job has made are secrets.
    #[error("the result holds secrets, which are given once: take it with POST")]
    JobSecrets,
    /// What a job is to write down is too much.
    #[error(
        "the result has more than {} MiB; narrow the filter",
        keystile_core::job::MOST_RESULT_BYTES / (1024 * 1024)
    )]
    JobResultTooLarge,
    /// An earlier attempt of the same request has not ended.
    #[error("a request with this Idempotency-Key is being carried out; repeat it in a moment")]
    IdempotencyInProgress,
    /// An earlier attempt of the same request committed, but its answer is gone.
    #[error(
        "a request with this Idempotency-Key was carried out, but its answer was lost; look at what is there"
    )]
    IdempotencyAnswerLost,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(Unique::Secret) => Self::Conflict(Conflict::SecretExists),
            StoreError::Conflict(Unique::ApplicationName) => Self::Conflict(Conflict::ApplicationName),
            StoreError::Conflict(Unique::Invitation) => Self::Conflict(Conflict::InvitedAlready),
            StoreError::Conflict(Unique::ExternalId) => Self::Conflict(Conflict::ExternalId),
            StoreError::Conflict(Unique::ProviderName) => Self::Conflict(Conflict::ProviderName),
            StoreError::Conflict(Unique::ModelName) => Self::Conflict(Conflict::ModelName),
            StoreError::Conflict(Unique::Email) => Self::Conflict(Conflict::Email),
            StoreError::Archived(Archived::Application) => Self::Conflict(Conflict::ApplicationArchived),
            StoreError::Archived(Archived::Customer) => customer_archived().into(),
            StoreError::Refused(why) => Self::Internal(format!("the store refused: {why}")),
            StoreError::InDoubt { doubt, .. } => {
                Self::InDoubt { change: Change::of([]), doubt, source: error }
            }
            other @ (StoreError::Unavailable(_) | StoreError::Corrupt(_)) => Self::Store(other),
        }
    }
}

/// What is wrong with the customer of a key that is made or changed.
pub(crate) fn customer_archived() -> Invalid {
    Invalid::new("customer_id", "must not be an archived customer; bring it back, or choose another")
}

impl From<NoEntropy> for Refused {
    fn from(error: NoEntropy) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}
