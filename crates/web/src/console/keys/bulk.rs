//! One thing done to many keys. Each is carried out as if it stood alone, and what became of each is told.

use std::str::FromStr;

use askama::Template;
use axum::extract::State;
use keystile_core::{ApiKey, Invalid, KeyId};
use keystile_manage::{Caller, Refused, Right, VersionGuard};
use keystile_wire::{BlockKey, MAX_PAGE, RevokeKey};

use super::used_from::{UsedFrom, used_from};
use crate::api::Answer;
use crate::console::form::{Fields, Form, Wrong};
use crate::console::page::{page, unprocessable};
use crate::console::shell::Shell;
use crate::console::visitor::Inside;
use crate::console::{assets, parts};
use crate::problem::ApiProblem;
use crate::state::App;

/// What can be done to many keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
    Block,
    Revoke,
}

impl FromStr for Action {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "enable" => Ok(Self::Enable),
            "disable" => Ok(Self::Disable),
            "block" => Ok(Self::Block),
            "revoke" => Ok(Self::Revoke),
            _ => Err(Invalid::new("action", "must be one of `enable` `disable` `block` `revoke`")),
        }
    }
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Block => "block",
            Self::Revoke => "revoke",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Enable => "Enable",
            Self::Disable => "Disable",
            Self::Block => "Block",
            Self::Revoke => "Revoke",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Enable => "enabled",
            Self::Disable => "disabled",
            Self::Block => "blocked",
            Self::Revoke => "revoked",
        }
    }

    /// Whether nothing brings it back.
    const fn is_final(self) -> bool {
        matches!(self, Self::Revoke)
    }

    /// Whether somebody is asked before it is done.
    const fn is_asked(self) -> bool {
        matches!(self, Self::Block | Self::Revoke)
    }
}

#[derive(Template)]
#[template(path = "keys/bulk_confirm.html")]
struct Confirm {
    shell: Shell,
    action: Action,
    /// Each key, and what would miss it.
    keys: Vec<(ApiKey, UsedFrom)>,
    reason: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "keys/bulk_done.html")]
struct Done {
    shell: Shell,
    action: Action,
    outcomes: Vec<Outcome>,
}

impl Done {
    fn successes(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.refusal.is_none()).count()
    }

    fn failures(&self) -> usize {
        self.outcomes.len() - self.successes()
    }
}

/// What became of one key.
struct Outcome {
    id: KeyId,
    /// None when there is no such key.
    key: Option<ApiKey>,
    /// Why it was not done.
    refusal: Option<String>,
}

/// Does it, or asks first.
pub(super) async fn carry_out(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let action: Action = fields.text("action").parse()?;
    let ids = chosen(&fields)?;
    let wrong = if action.is_asked() { doubts(action, &fields, ids.len()) } else { Ok(None) };
    let reason = match wrong {
        Ok(reason) => reason,
        Err(wrong) => {
            let (keys, reason) = (read(&app, &caller, &ids).await?, fields.text("reason").to_owned());
            let is_answer = fields.is_ticked("confirmed");
            let confirm = Confirm {
                shell,
                action,
                keys,
                reason,
                wrong: if is_answer { wrong } else { Wrong::default() },
            };
            return if is_answer { unprocessable(&confirm) } else { page(&confirm) };
        }
    };
    // Once begun it is carried out to its end, whoever waits for it.
    let each = move |app: App| async move { Ok(all(&app, &caller, &ids, action, reason).await) };
    let outcomes = app.finish(each).await?;
    page(&Done { shell, action, outcomes })
}

/// The keys that were ticked, at most as many as a page has.
fn chosen(fields: &Fields) -> Result<Vec<KeyId>, ApiProblem> {
    let mut ids = Vec::new();
    for text in fields.all("id") {
        let id = text.parse().map_err(|_| ApiProblem::not_found("API key"))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
        // More are refused anyway, and each is compared with all before it.
        if ids.len() > usize::from(MAX_PAGE) {
            break;
        }
    }
    match ids.len() {
        0 => Err(Invalid::new("id", "choose at least one key").into()),
        count if count > usize::from(MAX_PAGE) => {
            Err(Invalid::new("id", format!("choose at most {MAX_PAGE} keys at a time")).into())
        }
        _ => Ok(ids),
    }
}

/// The reason that is given, or what is missing before it can be done.
fn doubts(action: Action, fields: &Fields, count: usize) -> Result<Option<String>, Wrong> {
    let reason = fields.filled("reason");
    let wrong = |invalid: Invalid| Wrong::from(&ApiProblem::from(invalid));
    if action == Action::Revoke {
        let request = RevokeKey { reason };
        let reason = request.parse().map_err(wrong)?;
        let typed = fields.text("typed") == count.to_string();
        return if typed {
            Ok(reason)
        } else {
            Err(wrong(Invalid::new("typed", format!("type {count} to go on"))))
        };
    }
    let request = BlockKey { reason: reason.unwrap_or_default() };
    let reason = request.parse().map_err(wrong)?;
    if fields.is_ticked("confirmed") { Ok(Some(reason)) } else { Err(Wrong::default()) }
}

/// Those of the keys that are there, and from where they are used.
async fn read(app: &App, caller: &Caller, ids: &[KeyId]) -> Answer<Vec<(ApiKey, UsedFrom)>> {
    let mut keys = Vec::with_capacity(ids.len());
    for id in ids {
        match app.control.key(caller, *id).await {
            Ok(key) => keys.push((key, used_from(app, caller, *id).await?)),
            Err(Refused::NotFound(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(keys)
}

async fn all(
    app: &App,
    caller: &Caller,
    ids: &[KeyId],
    action: Action,
    reason: Option<String>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(ids.len());
    for id in ids {
        outcomes.push(one(app, caller, *id, action, reason.clone()).await);
    }
    outcomes
}

async fn one(app: &App, caller: &Caller, id: KeyId, action: Action, reason: Option<String>) -> Outcome {
    let (by, any) = (caller.clone(), VersionGuard(None));
    let work = |app: App| async move {
        match action {
            Action::Enable => app.control.enable_key(&by, id, any).await,
            Action::Disable => app.control.disable_key(&by, id, any).await,
            Action::Block => app.control.block_key(&by, id, reason.unwrap_or_default(), any).await,
            Action::Revoke => app.control.revoke_key(&by, id, reason, any).await,
        }
    };
    match app.commit(work).await {
        Ok(key) => Outcome { id, key: Some(key), refusal: None },
        Err(refused) => {
            let key = app.control.key(caller, id).await.ok();
            Outcome { id, key, refusal: Some(ApiProblem::from(refused).detail().to_owned()) }
        }
    }
}
