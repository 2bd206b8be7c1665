//! Long work in the background, and how far it has come.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::invalid::text_enum;
use crate::{Actor, JobId, KeyId, TenantId, Timestamp};

/// Most jobs of a tenant that are not over. More is a loop that makes them, and would only wait.
pub const MOST_OPEN: u64 = 100;
/// Most refusals of single keys that a job remembers; all are counted.
pub const MOST_PROBLEMS: usize = 20;
/// Most keys that one job of rotation makes secrets for: all of them are read in one piece.
pub const MOST_ROTATED: u64 = 10_000;
/// Most exports of a tenant that are over and whose results are kept: a loop that exports must not fill the disk.
pub const MOST_EXPORTS: u64 = 10;
/// Longest result, in bytes as they are stored: an export of some 150,000 keys.
pub const MOST_RESULT_BYTES: u64 = 128 * 1024 * 1024;

text_enum!(
    /// What a job does.
    JobKind {
        /// Takes keys over by the hashes of their secrets.
        Import = "import",
        /// Writes down keys, without their secrets.
        Export = "export",
        /// Ends keys for good.
        Revoke = "revoke",
        /// Switches keys off.
        Disable = "disable",
        /// Switches keys on.
        Enable = "enable",
        /// Gives keys successors, whose secrets are its result.
        Rotate = "rotate",
    }
);

text_enum!(
    /// Where a job stands.
    JobState {
        /// Nothing of it was done yet.
        Waiting = "waiting",
        /// It has begun.
        Running = "running",
        /// It ends as soon as the step at hand is done.
        Cancelling = "cancelling",
        /// All was done.
        Done = "done",
        /// It ended before all was done; what was done stays.
        Failed = "failed",
        /// Somebody ended it; what was done stays.
        Cancelled = "cancelled",
    }
);

impl JobState {
    /// Whether nothing more is done.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Waiting | Self::Running | Self::Cancelling => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// Work on many keys, done in steps: each step is one transaction, which also notes how far the job has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Which one.
    pub id: JobId,
    /// Whose keys it works on.
    pub tenant_id: TenantId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Who asked for it; it may do no more than they may at each step.
    pub actor: Actor,
    /// Where the request came from.
    pub ip: Option<IpAddr>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// What exactly it does.
    pub parameters: serde_json::Value,
    /// The last key that was there when it was made; later ones are not touched. None of an import, and where there was no key.
    pub last_key: Option<KeyId>,
    /// How many keys it was about when it was made.
    pub total: u64,
    /// How many keys it has handled.
    pub done: u64,
    /// How many keys could not be handled, each for a reason of its own.
    pub failed: u64,
    /// Behind what the next step goes on: the id of a key, or of an import the number of its next part.
    pub place: Option<String>,
    /// How often the step at hand was tried in vain.
    pub attempts: u32,
    /// When the next step may begin.
    pub due_at: Timestamp,
    /// Why single keys could not be handled; the first [`MOST_PROBLEMS`].
    pub problems: Vec<JobProblem>,
    /// Why it ended before all was done, or why the step at hand was tried in vain.
    pub error: Option<JobError>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its first step began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How long its result is as it is stored; 0 without any.
    pub result_bytes: u64,
    /// Until when its result can be had, and until when it can be tried again.
    pub kept_until: Option<Timestamp>,
}

impl Job {
    /// How many keys it has looked at.
    pub const fn seen(&self) -> u64 {
        self.done.saturating_add(self.failed)
    }
}

/// Why a job did not handle a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProblem {
    /// The key's id; of an import `keys[0]` for its first.
    pub key: String,
    /// One word for programs.
    pub code: String,
    /// What is wrong, in a sentence.
    pub detail: String,
}

/// Why a job ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// One word for programs.
    pub code: String,
    /// What is wrong, in a sentence.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_over_is_done_failed_or_cancelled() {
        let over: Vec<_> = JobState::ALL.iter().filter(|state| state.is_over()).collect();
        assert_eq!(over, [&JobState::Done, &JobState::Failed, &JobState::Cancelled]);
    }
}
