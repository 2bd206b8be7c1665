//! What a job does, as it is kept.

use keystile_core::{Job, JobKind};
use keystile_store::KeyFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Refused;

/// What exactly a job does. The filter is as of when it was asked for, but for the status of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Work {
    Import,
    Export { filter: KeyFilter },
    Revoke { filter: KeyFilter, reason: Option<String> },
    Disable { filter: KeyFilter },
    Enable { filter: KeyFilter },
    Rotate { filter: KeyFilter, overlap_seconds: u64 },
}

impl Work {
    pub(super) const fn kind(&self) -> JobKind {
        match self {
            Self::Import => JobKind::Import,
            Self::Export { .. } => JobKind::Export,
            Self::Revoke { .. } => JobKind::Revoke,
            Self::Disable { .. } => JobKind::Disable,
            Self::Enable { .. } => JobKind::Enable,
            Self::Rotate { .. } => JobKind::Rotate,
        }
    }

    /// Which keys it works on, unless it adds some.
    pub(super) const fn filter(&self) -> Option<&KeyFilter> {
        match self {
            Self::Import => None,
            Self::Export { filter }
            | Self::Revoke { filter, .. }
            | Self::Disable { filter }
            | Self::Enable { filter }
            | Self::Rotate { filter, .. } => Some(filter),
        }
    }

    /// As it is kept.
    pub(super) fn to_parameters(&self) -> Result<Value, Refused> {
        let failed = |error| Refused::Internal(format!("a job cannot be kept: {error}"));
        serde_json::to_value(self).map_err(failed)
    }

    /// What a job does.
    pub(super) fn of(job: &Job) -> Result<Self, Refused> {
        let read = serde_json::from_value(job.parameters.clone());
        read.map_err(|error| Refused::Internal(format!("what a job is to do cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    #[test]
    fn work_is_read_as_it_was_kept() {
        let filter = KeyFilter {
            name_contains: Some("web".to_owned()),
            rotation_due: Some((true, Timestamp::from_millis(5))),
            ..KeyFilter::all(Timestamp::from_millis(7))
        };
        let all = [
            Work::Import,
            Work::Export { filter: filter.clone() },
            Work::Revoke { filter: filter.clone(), reason: Some("leaving".to_owned()) },
            Work::Disable { filter: filter.clone() },
            Work::Enable { filter: filter.clone() },
            Work::Rotate { filter, overlap_seconds: 60 },
        ];
        for work in all {
            let kept = work.to_parameters().unwrap();
            assert_eq!(kept["kind"], work.kind().as_str());
            assert_eq!(serde_json::from_value::<Work>(kept).unwrap(), work);
        }
    }
}
