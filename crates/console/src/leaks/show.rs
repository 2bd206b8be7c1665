//! The page of one report, with what is to be done next.

use askama::Template;
use axum::extract::State;
use keystile_core::{LeakId, LeakState};

use super::Seen;
use crate::page::page;
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;

#[derive(Template)]
#[template(path = "leaks/show.html")]
struct Show {
    shell: Shell,
    leak: Seen,
    steps: &'static [Step],
}

/// Something that can be done about the key.
struct Step {
    /// Behind the path of the key.
    path: &'static str,
    icon: &'static str,
    what: &'static str,
    why: &'static str,
    /// In what it opens where scripts run.
    panel: &'static str,
}

const REVOKE: Step = Step {
    path: "revoke",
    icon: "trash",
    what: "Revoke it",
    why: "The secret is refused everywhere at once and for good. Right if nobody needs the key, or an outage costs less than a thief.",
    panel: "box",
};
const REGENERATE: Step = Step {
    path: "regenerate",
    icon: "key",
    what: "Give it a new secret",
    why: "The one that leaked is refused at once; the key keeps its settings. Whoever uses it needs the new secret.",
    panel: "",
};
const ROTATE: Step = Step {
    path: "rotate",
    icon: "rotate",
    what: "Rotate it",
    why: "A new key, and an overlap in which the one that leaked still works: without an outage, but the thief has that time, too.",
    panel: "",
};
const BLOCK: Step = Step {
    path: "block",
    icon: "block",
    what: "Block it",
    why: "It is refused until somebody unblocks it. Right while you look into it.",
    panel: "box",
};
const UNBLOCK: Step = Step {
    path: "unblock",
    icon: "power",
    what: "Unblock it",
    why: "Only when it was no leak, or the key has another secret: with the one that leaked it works again otherwise.",
    panel: "box",
};

const OF_LIVE: &[Step] = &[REVOKE, REGENERATE, ROTATE, BLOCK];
const OF_BLOCKED: &[Step] = &[REGENERATE, REVOKE, UNBLOCK];
const OF_DISABLED: &[Step] = &[REGENERATE, REVOKE];
const OF_EXPIRED: &[Step] = &[REVOKE];

/// What can be done, what helps most first.
const fn steps(state: LeakState) -> &'static [Step] {
    match state {
        LeakState::Live => OF_LIVE,
        LeakState::Blocked => OF_BLOCKED,
        LeakState::Disabled => OF_DISABLED,
        LeakState::Expired => OF_EXPIRED,
        LeakState::Revoked | LeakState::Replaced | LeakState::Unknown => &[],
    }
}

/// The page of a report.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<LeakId>,
) -> Answer {
    let leak = Seen::new(app.control.leaked_key(&caller, id).await?, shell.now);
    let steps = steps(leak.state);
    page(&Show { shell, leak, steps })
}

impl Show {
    /// Where the key is.
    fn key_path(&self) -> String {
        self.shell.path(&format!("keys/{}", self.leak.key.id))
    }

    /// Where the other reports about the key are.
    fn others_path(&self) -> String {
        self.shell.path(&format!("leaks?key_id={}", self.leak.key.id))
    }

    /// Where the audit log tells all of the key.
    fn audit_path(&self) -> String {
        self.shell.path(&format!("audit?target={}", self.leak.key.id))
    }

    fn tone(&self) -> &'static str {
        match self.leak.state {
            LeakState::Live => "bad",
            LeakState::Blocked | LeakState::Disabled | LeakState::Expired | LeakState::Unknown => "warn",
            LeakState::Revoked | LeakState::Replaced => "good",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_still_opens_something_can_be_ended() {
        for state in LeakState::ALL {
            let ends = steps(*state).iter().any(|step| step.path == "revoke");
            let is_over = matches!(state, LeakState::Revoked | LeakState::Replaced | LeakState::Unknown);
            assert_eq!(ends, !is_over, "{state}");
        }
    }
}
