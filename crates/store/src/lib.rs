//! Rows, in SQLite or PostgreSQL, from one description.
//!
//! Every method of [`Store`] is one transaction, takes the tenant first, and is written once: one SQL
//! text that both engines run. The audit entry of a change commits with the change. The only methods
//! without a tenant are [`Store::facts_by_digest`], for verification, [`Store::secret_owner`], for secrets that leaked,
//! [`Store::unsealed_tenant`], for the sealing of the log, [`Store::untold_tenant`], [`Store::tenant_with_webhooks`], [`Store::tenant_with_changed_budgets`],
//! [`Store::due_webhook`], [`Store::what_waits_for`], [`Store::due_later`] and [`Store::webhook_backlog`], for what is told to webhooks, [`Store::spent`], of lineages, [`Store::has_ended`], for transactions
//! whose end was not learned, [`Store::join`] and its like, of nodes, those of the revocation journal and of backups, and those that write, work or sweep in batches for all tenants.
//!
//! This crate must never know HTTP, roles, or whether something is allowed; it never
//! reads a clock but to measure how long it takes. A future that is dropped does not undo its transaction:
//! whoever must act after a commit has to keep polling.

mod addresses;
mod applications;
mod audit;
mod backup;
mod belonging;
mod catalogue;
mod chain;
mod chunked;
mod cluster;
mod customers;
mod dialect;
mod doubt;
mod edit;
mod ends;
mod engine;
mod error;
mod events;
mod facts;
mod filter;
mod helm;
mod import;
mod invitations;
mod jobs;
mod key_count;
mod keys;
mod leaked_keys;
mod leaks;
mod limit_use;
mod listing;
mod llm;
mod location;
mod measures;
mod members;
mod migrate;
mod names;
mod noting;
mod once;
mod overview;
mod page;
mod passwords;
mod people;
#[cfg(test)]
mod plans;
mod quota;
mod record;
mod request_log;
mod rotation;
mod routings;
mod row;
mod schema;
mod second_factor;
mod sessions;
mod sign_in;
mod store;
mod tags;
mod tenant_usage;
mod tenants;
mod told;
mod touch;
mod tx;
mod usage;
mod value;
mod webhooks;

pub use audit::{AuditFilter, AuditFound};
pub use backup::{
    Backed, Backup, BackupError, BackupHeader, EngineName, Restoration, RestoreRefused, Restored, back_up,
};
pub use catalogue::{CataloguePage, SetPermission};
pub use chain::Sealing;
pub use cluster::{
    Applied, Heard, Hearing, Member, Message, NewNode, Node, Outlook, Peer, Question, Renewal, Reply, Told,
    Written,
};
pub use customers::CustomerFilter;
pub use doubt::Doubt;
pub use ends::{EndPlace, Rewrite, UntoldEnd, UntoldEnds};
pub use error::{Archived, OpenError, StoreError, Unique};
pub use events::{EventBatch, EventFilter, EventPage, KnownEntity, RefusedEvents, Swept};
pub use filter::KeyFilter;
pub use helm::Helm;
pub use import::{Held, Import};
pub use invitations::{Accepted, Joining};
pub use jobs::{
    Cancelled, ChangedKey, FoundKey, JobChunk, JobClaim, JobFilter, JobMade, JobStep, KeyStep, Lease, NewJob,
    Retried, Stepped, pack_keys, unpack_keys,
};
pub use keys::Changed;
pub use leaked_keys::LeakedKey;
pub use leaks::{KnownReports, KnownSecrets, LeakTaken, SecretOwner};
pub use limit_use::LimitUse;
pub use listing::{KeyPage, KeysFound};
pub use llm::{KeptProvider, KnownModels, ModelFilter, ModelWrites, ProviderMade, ProviderTaken};
pub use location::Location;
pub use measures::{Load, Measured, Measures};
pub use members::{Place, PlaceChange};
pub use migrate::Migration;
pub use noting::{Transactions, noting};
pub use once::{Begun, Once, Receipt};
pub use page::Page;
pub use passwords::Reset;
pub use quota::{Corrected, FoundHold, LedgerFilter, MOST_SUMS, ServerId, SpendFilter, SpentOf, TakenUp};
pub use request_log::{LogPage, LogSwept, Order};
pub use rotation::{Rotated, Rotation};
pub use schema::Outdated;
pub use second_factor::{Enrolled, Sealed};
pub use sessions::{Entrance, Refresh, Refreshed};
pub use sign_in::{Factor, FailedSignIn, NewSession, Patience, SignInFacts, Started};
pub use store::Store;
pub use tenants::Founding;
pub use touch::Touch;
pub use webhooks::{
    Backlog, BudgetLook, ChangedBudget, ChangedBudgets, DeliveriesFound, DeliveryFilter, DueDelivery,
    DueWebhook, KeptWebhook, KnownNotice, LookedBudget, MOST_REDELIVERED, NewDelivery, NewNotice, Noted,
    ROWS_AT_ONCE, Redelivery, Standing, Telling, WatchFor, WatchedKeys,
};
