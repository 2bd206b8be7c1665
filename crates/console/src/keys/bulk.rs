//! One thing done to many keys. Each is carried out as if it stood alone, and what became of each is told.

use askama::Template;
use axum::extract::State;
use keystile_core::{ApiKey, Invalid, KeyId};
use keystile_manage::{Caller, Refused, Right};
use keystile_wire::MAX_PAGE;

use super::deed::{Deed, carried_out};
use super::used_from::{UsedFrom, used_from};
use crate::form::{Fields, Form, Wrong};
use crate::page::{page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

/// What can be done to many keys.
const OFFERED: [Deed; 4] = [Deed::Enable, Deed::Disable, Deed::Block, Deed::Revoke];

#[derive(Template)]
#[template(path = "keys/bulk_confirm.html")]
struct Confirm {
    shell: Shell,
    deed: Deed,
    /// Each key, and what would miss it.
    keys: Vec<(ApiKey, UsedFrom)>,
    reason: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "keys/bulk_done.html")]
struct Done {
    shell: Shell,
    deed: Deed,
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
    let (deed, ids) = (offered(&fields)?, chosen(&fields)?);
    let wrong = if deed.has_reason() { doubts(deed, &fields, ids.len()) } else { Ok(None) };
    let reason = match wrong {
        Ok(reason) => reason,
        Err(wrong) => {
            let (keys, reason) = (read(&app, &caller, &ids).await?, fields.text("reason").to_owned());
            let is_answer = fields.is_ticked("confirmed");
            let confirm = Confirm {
                shell,
                deed,
                keys,
                reason,
                wrong: if is_answer { wrong } else { Wrong::default() },
            };
            return if is_answer { unprocessable(&confirm) } else { page(&confirm) };
        }
    };
    // Once begun it is carried out to its end, whoever waits for it.
    let each = move |app: App| async move { Ok(all(&app, &caller, &ids, deed, reason).await) };
    let outcomes = app.finish(each).await?;
    page(&Done { shell, deed, outcomes })
}

fn offered(fields: &Fields) -> Result<Deed, Invalid> {
    let deed = fields.text("action").parse::<Deed>().ok().filter(|deed| OFFERED.contains(deed));
    let words = OFFERED.map(|deed| format!("`{}`", deed.as_str())).join(" ");
    deed.ok_or_else(|| Invalid::new("action", format!("must be one of {words}")))
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
fn doubts(deed: Deed, fields: &Fields, count: usize) -> Result<Option<String>, Wrong> {
    let wrong = |invalid: Invalid| Wrong::from(&ApiProblem::from(invalid));
    let reason = deed.reason(fields).map_err(wrong)?;
    if deed.is_final() && fields.text("typed") != count.to_string() {
        return Err(wrong(Invalid::new("typed", format!("type {count} to go on"))));
    }
    if fields.is_ticked("confirmed") { Ok(reason) } else { Err(Wrong::default()) }
}

/// Those of the keys that are there, and from where they are used.
async fn read(app: &App, caller: &Caller, ids: &[KeyId]) -> Answer<Vec<(ApiKey, UsedFrom)>> {
    let mut keys = Vec::with_capacity(ids.len());
    for id in ids {
        match app.control.key(caller, *id).await {
            Ok(key) => {
                let used_from = used_from(app, caller, &key).await?;
                keys.push((key, used_from));
            }
            Err(Refused::NotFound(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(keys)
}

async fn all(app: &App, caller: &Caller, ids: &[KeyId], deed: Deed, reason: Option<String>) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(ids.len());
    for id in ids {
        outcomes.push(one(app, caller, *id, deed, reason.clone()).await);
    }
    outcomes
}

async fn one(app: &App, caller: &Caller, id: KeyId, deed: Deed, reason: Option<String>) -> Outcome {
    let by = caller.clone();
    let work = |app: App| async move { carried_out(&app, &by, id, deed, reason).await };
    match app.commit(work).await {
        Ok(key) => Outcome { id, key: Some(key), refusal: None },
        Err(refused) => {
            let key = app.control.key(caller, id).await.ok();
            Outcome { id, key, refusal: Some(ApiProblem::from(refused).detail().to_owned()) }
        }
    }
}
