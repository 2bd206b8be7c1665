//! Background jobs: work on many keys, asked for once and done in steps.
//!
//! Whoever asks has the right to it then, and must have it still when each step begins. A step decides about some keys as the use
//! case for one key would, with an audit entry for each, and names the job in it.

mod change;
mod control;
mod export;
mod import;
mod make;
mod result;
mod rotate;
mod run;
mod trouble;
mod work;

pub use control::JobQuery;
pub use make::JobOrder;
pub use result::{JobPiece, JobResult, MadeSecret};

use std::time::Duration;

use keystile_core::job::MOST_ROTATED;
use keystile_core::{Job, JobKind, Timestamp};

use crate::Right;

/// How many keys one step handles: some ten milliseconds of SQLite's writer, for which others wait.
const STEP: usize = 100;
/// Until a job is taken up anew whose process ended without a word. Each step, which takes far less, begins it again.
const LEASE: Duration = Duration::from_secs(60);
/// How often a step is tried in vain before the job ends: for about half an hour.
const MOST_ATTEMPTS: u32 = 12;
/// The pause before the second attempt; each further one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How long the result of a job is kept, and a failed one can go on.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long secrets are kept that a job has made.
const SECRETS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What asking for a job of this kind, cancelling it and letting it go on takes.
const fn right(kind: JobKind) -> Right {
    match kind {
        JobKind::Export => Right::ReadKeys,
        JobKind::Import | JobKind::Revoke | JobKind::Disable | JobKind::Enable | JobKind::Rotate => {
            Right::ManageKeys
        }
    }
}

/// Until when a job of this kind is kept that ends now.
fn kept_until(kind: JobKind, now: Timestamp) -> Timestamp {
    match kind {
        JobKind::Rotate => now.plus(SECRETS_KEPT),
        JobKind::Import | JobKind::Export | JobKind::Revoke | JobKind::Disable | JobKind::Enable => {
            now.plus(KEPT)
        }
    }
}

/// Most keys that a job of this kind works on, where there is a bound.
const fn most(kind: JobKind) -> Option<u64> {
    match kind {
        JobKind::Rotate => Some(MOST_ROTATED),
        JobKind::Import | JobKind::Export | JobKind::Revoke | JobKind::Disable | JobKind::Enable => None,
    }
}

/// Where in the database sealed secrets of a job belong.
fn context(job: &Job) -> String {
    format!("job:{}:{}", job.tenant_id, job.id)
}
