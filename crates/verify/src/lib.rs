//! The hot path: is this key good for this, now.
//!
//! [`Verifier`] keeps the **facts** of keys in memory, never verdicts, and decides anew for every question.
//! A key it does not know is read once however many ask for it, and keys that are missing at the same
//! time are read together. A [`keystile_core::Change`] given to [`Verifier::apply`] makes it forget: no
//! verification that starts after `apply` has returned can use what was read before the change.
//!
//! What a request may cost is held before it starts ([`Verifier::reserve`]) and settled afterwards ([`Hold`]): of tokens per minute, and of
//! budgets, which are leased through [`Budgets`].
//!
//! What is in memory is believed as long as every change is told before anybody is answered. A verifier that is one of several
//! ([`Verifier::of_a_node`]) is told so for a lease at a time ([`Verifier::extend_lease`]), and without one reads anew for each question.
//!
//! This crate must never know a database, HTTP or a wall clock: keys come through [`KeySource`], time through
//! [`keystile_core::Clock`]. When it cannot know whether a key is good it refuses with
//! [`keystile_core::Code::EnforcementUnavailable`]; it never lets a request pass because something failed.

mod background;
mod batch;
mod bounds;
mod cache;
mod cached_key;
mod doubts;
mod explanation;
mod fill;
mod flight;
mod last_use;
mod lately;
mod limiter;
mod memory;
mod meter;
mod pool;
mod profile;
mod quota;
mod refilling;
mod routings;
mod shared;
mod slots;
mod source;
mod standing;
mod stats;
mod swept;
mod tally;
mod texts;
mod upstreams;
mod usage;
mod verifier;

pub use background::{Background, FLUSH_EVERY, TOUCH_TIMEOUT};
pub use bounds::Bounds;
pub use cached_key::CachedKey;
pub use explanation::Explanation;
pub use fill::{BATCH_PARTS, DIGESTS_PER_QUERY, FILL_TIMEOUT, MISSES_WAITING, QUERIES_IN_FLIGHT};
pub use last_use::{USE_RESOLUTION, USES_PENDING, USES_PER_WRITE};
pub use limiter::{Demand, Denied, Left, LimitLeft, Limiter, OneNode};
pub use meter::{Meter, OwnerId, OwnerUse};
pub use quota::{
    BudgetRoom, Budgets, CHARGES_WAITING, Hold, LEASE_TIMEOUT, LEASES_PER_ROUND, NotWritten, QuotaStats,
    ROOM_TIMEOUT, ROWS_PER_BATCH, Return, Room, SettleError, Settled, Settling, Terms, TokenRoom,
    UnwrittenCharges,
};
pub use routings::ROUTINGS_KEPT;
pub use shared::{
    Answer, Grant, OwnerName, RESERVED_MILLIS, RateAuthority, RateStats, SharedLimits, Statement, Stating,
    Want,
};
pub use source::{BoxFuture, KeySource, SourceUnavailable, UsageBatch, Use};
pub use stats::Stats;
pub use upstreams::UPSTREAMS_KEPT;
pub use usage::{COUNTS_PENDING, COUNTS_PER_WRITE};
pub use verifier::{Cold, Verdict, Verifier};
