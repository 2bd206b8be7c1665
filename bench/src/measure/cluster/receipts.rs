//! Which nodes have heard of changes, as the answers to them tell.

use std::fmt;

use anyhow::{Context, Result};

use super::nodes::NODES;
use crate::client::Answer;

/// The header in which the answer to a change tells it.
const HEADER: &str = "keystile-revision";

/// Of some answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Receipts {
    /// Answers that say that all nodes have forgotten what was changed.
    acknowledged_by_all: usize,
    /// Nodes that had no lease any more, over all answers.
    expired: usize,
}

impl Receipts {
    /// Of one answer: `4711; nodes=3; acknowledged=3; expired=0`.
    pub(super) fn read(answer: &Answer) -> Result<Self> {
        let text =
            answer.headers.get(HEADER).with_context(|| format!("an answer lacks {HEADER}"))?.to_str()?;
        let number = |name: &str| {
            let part = text.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            let part = part.with_context(|| format!("`{HEADER}: {text}` does not tell {name}"))?;
            part.parse::<usize>().with_context(|| format!("`{HEADER}: {text}`"))
        };
        let by_all = number("nodes")? == NODES && number("acknowledged")? == NODES;
        Ok(Self { acknowledged_by_all: by_all.into(), expired: number("expired")? })
    }

    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            acknowledged_by_all: self.acknowledged_by_all + other.acknowledged_by_all,
            expired: self.expired + other.expired,
        }
    }
}

impl fmt::Display for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged_by_all, expired } = self;
        write!(f, "{acknowledged_by_all} acknowledged by all {NODES} nodes, {expired} leases ran out")
    }
}
