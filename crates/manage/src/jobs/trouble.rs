//! Why a step, or a key in it, was refused.

use keystile_core::{JobError, JobProblem};
use keystile_store::StoreError;

use crate::{Conflict, Refused};

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Passing,
    Lasting,
}

impl Trouble {
    /// A store that is away comes back; somebody may have brought a secret at the same moment. Our own faults are tried again,
    /// too, a bounded number of times.
    pub(super) const fn of(refused: &Refused) -> Self {
        match refused {
            Refused::Store(error) => Self::of_store(error),
            Refused::InDoubt { .. }
            | Refused::Busy
            | Refused::Internal(_)
            | Refused::Conflict(Conflict::SecretExists) => Self::Passing,
            _ => Self::Lasting,
        }
    }

    const fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => Self::Lasting,
            StoreError::Unavailable(_)
            | StoreError::InDoubt { .. }
            | StoreError::Refused(_)
            | StoreError::Conflict(_)
            | StoreError::Archived(_) => Self::Passing,
        }
    }
}

/// What a job tells of the step that was refused.
pub(super) fn error_of(refused: &Refused) -> JobError {
    let detail = match refused {
        // The cause is for the log.
        Refused::Internal(_) => "this is our fault and was logged".to_owned(),
        Refused::NotFound("member") => {
            "whoever asked for it is no member any more, or was disabled".to_owned()
        }
        Refused::Invalid(broken) | Refused::HashesTaken(broken) => {
            broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        refused => refused.to_string(),
    };
    JobError { code: code(refused).to_owned(), detail }
}

/// What a job tells of a key that was refused.
pub(super) fn problem_of(key: String, refused: &Refused) -> JobProblem {
    let JobError { code, detail } = error_of(refused);
    JobProblem { key, code, detail }
}

/// One word for programs.
const fn code(refused: &Refused) -> &'static str {
    match refused {
        Refused::NotFound(_) | Refused::Forbidden(_) | Refused::Key(_) => "forbidden",
        Refused::Invalid(_) => "invalid",
        Refused::Conflict(Conflict::KeyRevoked) => "key_revoked",
        Refused::Conflict(Conflict::KeyExpired) => "key_expired",
        Refused::Conflict(Conflict::AlreadyRotated(_)) => "already_rotated",
        Refused::Conflict(Conflict::SecretExists) | Refused::HashesTaken(_) => "secret_exists",
        Refused::Conflict(Conflict::ApplicationArchived) => "application_archived",
        Refused::Conflict(Conflict::JobResultTooLarge) => "job_result_too_large",
        Refused::Store(_) | Refused::InDoubt { .. } | Refused::Busy => "unavailable",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lacking;

    #[test]
    fn a_right_that_was_lost_does_not_come_back_by_waiting() {
        let lost = Refused::Forbidden(Lacking::Person);
        assert_eq!(Trouble::of(&lost), Trouble::Lasting);
        assert_eq!(error_of(&lost).code, "forbidden");
        assert_eq!(Trouble::of(&Refused::Busy), Trouble::Passing);
    }

    #[test]
    fn the_cause_of_our_own_fault_is_not_told() {
        let told = error_of(&Refused::Internal("row 7".to_owned()));
        assert!(told.code == "internal" && !told.detail.contains("row 7"), "{told:?}");
    }
}
