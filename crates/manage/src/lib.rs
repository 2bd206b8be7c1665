//! Every change of state, with its authorization and its audit entry.
//!
//! The API, the command line and the console all come through [`ControlPlane`]. A method that changes
//! something takes a [`Caller`], which only a signed-in person or an API key can get, and returns what was [`Committed`]: the
//! result together with the [`Change`] that the data plane has to apply before the
//! result is told to anyone. This crate must never know HTTP, nor the data plane itself.

mod applications;
mod audit;
mod audit_check;
mod audit_log;
mod caller;
mod catalogue;
mod customers;
mod edit;
mod events;
mod invitations;
mod jobs;
mod keys;
mod llm;
mod members;
mod names;
mod once;
mod overview;
mod partner;
mod password;
mod password_change;
mod people;
mod presence;
mod refused;
mod request_log;
mod rights;
mod routing;
mod second_factor;
mod session;
mod set_up;
mod sign_in;
mod spend;
mod strength;
mod tenants;
mod totp;
mod touched;
mod turns;
mod usage;
mod vault;
mod webhooks;

use std::sync::Arc;

use keystile_core::webhook::Reach;
use keystile_core::{Change, Clock, Entropy, Timestamp};
use keystile_store::Store;
use tokio::sync::{Notify, Semaphore};

pub use audit_log::{AuditExport, AuditQuery, Proof};
pub use caller::{Caller, Lacking, Origin};
pub use customers::{CustomerDraft, CustomerQuery};
pub use events::{EntityQuery, EventQuery};
pub use invitations::{Acceptance, Invited, Offered};
pub use jobs::{JobOrder, JobPiece, JobQuery, JobResult, MadeSecret};
pub use keys::{
    History, Imported, Issued, KeyQuery, KnownSecret, Lineage, Sighting, VersionGuard, end_again,
};
pub use llm::{ImportedModel, ImportedModels, KnownProvider, ModelImport, ModelQuery, TableSource};
pub use names::Names;
pub use once::{Asked, Asker, Attempt, Repeated};
pub use overview::OVERVIEW_MAX_AGE;
pub use partner::{NoPartnerKeys, PartnerKeys};
pub use password::PasswordLoad;
pub use password_change::ResetOffer;
pub use presence::{Me, Present};
pub use refused::{Conflict, Refused};
pub use request_log::{ExposureReport, Lack, LogExport, MOST_COUNTED};
pub use rights::Right;
pub use second_factor::Enrolment;
pub use session::{
    AccessToken, Automation, Bearer, HeldKey, SignedIn, SigningKey, TOKEN_LIFETIME, TokenRefused,
};
pub use set_up::FirstOwner;
pub use sign_in::{ShownFactor, SignIn, Tokens};
pub use spend::{HoldRuling, LedgerQuery, SpendFilter};
pub use tenants::Founded;
pub use vault::Vault;
pub use webhooks::{DeliveryQuery, Target, WithSecret};

use audit::Told;
use overview::Overviews;
use password::Passwords;
use set_up::SetupOffer;
use turns::Turns;

/// All use cases that change or show what the store holds.
#[derive(Clone)]
pub struct ControlPlane {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    signing: Arc<SigningKey>,
    vault: Arc<Vault>,
    passwords: Arc<Passwords>,
    judging: Arc<Turns>,
    told: Arc<Told>,
    setup: Arc<SetupOffer>,
    overviews: Arc<Overviews>,
    checking: Arc<Semaphore>,
    jobs_made: Arc<Notify>,
    /// Where webhooks may be.
    reach: Arc<Reach>,
    /// Where providers may be.
    upstream_reach: Arc<Reach>,
    /// Where the request log is kept, if this server cannot read it.
    log_elsewhere: Option<Arc<str>>,
}

impl ControlPlane {
    /// Brings the parts together.
    ///
    /// # Errors
    /// When no random bytes can be had.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        signing: SigningKey,
        vault: Vault,
    ) -> Result<Self, Refused> {
        let (passwords, judging) = (Arc::new(Passwords::new(entropy.as_ref())?), Arc::new(keys::judging()));
        let (signing, vault, told) = (Arc::new(signing), Arc::new(vault), Arc::new(Told::nothing()));
        let (setup, overviews, jobs_made) = (Arc::default(), Arc::default(), Arc::default());
        let checking = Arc::new(Semaphore::new(audit_check::CHECKS_AT_ONCE));
        let (reach, upstream_reach) = (Arc::default(), Arc::default());
        Ok(Self {
            store,
            clock,
            entropy,
            signing,
            vault,
            passwords,
            judging,
            told,
            setup,
            overviews,
            checking,
            jobs_made,
            reach,
            upstream_reach,
            log_elsewhere: None,
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new identifier of any kind: `self.fresh(KeyId::from_parts)`.
    fn fresh<Id>(&self, from_parts: impl FnOnce(Timestamp, u128) -> Id) -> Result<Id, Refused> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random)?;
        Ok(from_parts(self.now(), u128::from_be_bytes(random)))
    }
}

/// What was done, and what the data plane must forget before the answer is given.
#[derive(Debug)]
#[must_use = "the change has to reach the data plane before the answer"]
pub struct Committed<T> {
    /// The result.
    pub value: T,
    /// What verification may no longer believe.
    pub change: Change,
}
