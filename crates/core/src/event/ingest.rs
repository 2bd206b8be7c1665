//! How events come in: what becomes of them, who sends them, and how many.

use std::collections::BTreeMap;

use super::{Activity, Heard, Stamp};
use crate::invalid::text_enum;
use crate::{Code, Environment, Timestamp};

text_enum!(
    /// What became of an event, as it is counted.
    Outcome {
        /// It is kept now.
        Accepted = "accepted",
        /// It was kept before; its sender is told that it is accepted.
        Repeated = "repeated",
        /// It broke a rule, or could not be read.
        Invalid = "invalid",
        /// Its source has sent another event with its id before.
        Reused = "event_id_reused",
        /// It happened longer ago than events are kept.
        TooOld = "too_old",
    }
);

impl Outcome {
    /// Whether the event is not kept.
    pub const fn is_refused(self) -> bool {
        match self {
            Self::Accepted | Self::Repeated => false,
            Self::Invalid | Self::Reused | Self::TooOld => true,
        }
    }
}

impl From<Heard> for Outcome {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Accepted => Self::Accepted,
            Heard::Repeated => Self::Repeated,
            Heard::Reused => Self::Reused,
            Heard::TooOld { days: _ } => Self::TooOld,
        }
    }
}

/// How many events had one outcome in one step of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutcomeSum {
    /// The number of the step's first minute.
    pub minute: i64,
    /// The outcome.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
}

/// A source of events, as it was last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What its key put on the last events that it sent; who it is and where stands there, too.
    pub stamp: Stamp,
    /// When it last sent any, be they kept or refused.
    pub last_seen_at: Timestamp,
    /// How many it has sent lately.
    pub activity: Activity,
    /// How many keys that are active now carry it in this environment; those beyond 1,000 are not counted.
    pub active_keys: u64,
}

/// How events come into one environment of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestPosture {
    /// The environment.
    pub environment: Environment,
    /// When it was so.
    pub now: Timestamp,
    /// The sources that were heard last, the last one first.
    pub sources: Vec<Source>,
    /// Whether there are others.
    pub has_more_sources: bool,
    /// What became of the events of the last 60 minutes, the present one included.
    pub last_hour: BTreeMap<Outcome, u64>,
    /// What became of those of the last 24 hours of UTC, the present one included.
    pub last_day: BTreeMap<Outcome, u64>,
    /// Requests with keys of the environment that were refused in those 24 hours, by code.
    pub refused_attempts: BTreeMap<Code, u64>,
}
