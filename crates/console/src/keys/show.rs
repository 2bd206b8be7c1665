//! The page of one key.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::{ApiKey, KeyId, KeyKind, KeyStatus, Timestamp};
use keystile_manage::{Caller, Lineage};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::scope::{Catalogues, Permission, customer_name};
use super::sheet::period_name;
use super::story::{Entry, Names, story};
use super::usage::{Usage, meaning, usage};
use super::used_from::{UsedFrom, used_from};
use super::{ends_soon, rotation_is_due};
use crate::chart::{RANGES, Range};
use crate::leaks::{self, Seen};
use crate::llm::{OfKey, of_key};
use crate::page::page;
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts, window, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::{PathId, Query};

#[derive(Template)]
#[template(path = "keys/show.html")]
struct Show {
    shell: Shell,
    key: ApiKey,
    facts: Facts,
    usage: Usage,
    used_from: UsedFrom,
    /// Of a key that has to do with tokens and money.
    llm: Option<OfKey>,
    /// What somebody reported of a leak.
    leak: Option<Seen>,
    lineage: Lineage,
    story: Vec<Entry>,
}

/// What stands beside the record of a key.
struct Facts {
    application: String,
    customer: Option<String>,
    permissions: Vec<Permission>,
    limits: String,
    /// What they declare for the time without the shared count.
    declared: Option<String>,
    created_by: String,
    rotation_due: bool,
    rotation_due_at: Option<Timestamp>,
    ends_soon: Option<Timestamp>,
}

/// What the page is asked to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    range: String,
}

/// Shows the key.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Answer {
    let usage = usage(&app, &caller, id, Range::named(&asked.range), shell.now).await?;
    let key = app.control.key(&caller, id).await?;
    let used_from = used_from(&app, &caller, &key).await?;
    let llm = of_key(&app, &caller, &key, &headers).await?;
    let leak = leaks::of_key(&app, &caller, id, shell.now).await?;
    let lineage = app.control.lineage(&caller, &key).await?;
    let mut names = Names::default();
    let story = story(&app, &caller, id, &mut names).await?;
    let facts = facts(&app, &caller, &key, shell.now, &mut names).await?;
    page(&Show { shell, key, facts, usage, used_from, llm, leak, lineage, story })
}

async fn facts(app: &App, caller: &Caller, key: &ApiKey, now: Timestamp, names: &mut Names) -> Answer<Facts> {
    let rotation_days = app.control.rotation_days(caller).await?;
    let customer = match key.customer_id {
        Some(id) => Some(customer_name(app, caller, id).await?),
        None => None,
    };
    let catalogues = Catalogues::of(app, caller, std::slice::from_ref(key)).await?;
    Ok(Facts {
        application: app.control.application(caller, key.application_id).await?.name.to_string(),
        customer,
        permissions: catalogues.permissions(key),
        limits: window::summary(key),
        declared: window::declared(&key.limits.rates),
        created_by: names.of(app, caller, key.created_by).await?,
        rotation_due: rotation_is_due(key, now, rotation_days),
        rotation_due_at: key.rotation_due_at(now, rotation_days),
        ends_soon: ends_soon(key, now),
    })
}

impl Show {
    fn status(&self) -> KeyStatus {
        self.key.status(self.shell.now)
    }

    /// Where the key is.
    fn path(&self) -> String {
        self.shell.path(&format!("keys/{}", self.key.id))
    }

    /// Whether there is nothing to say of its status.
    fn is_plain(&self) -> bool {
        self.status() == KeyStatus::Active && self.key.blocked.is_none()
    }

    fn tone(&self) -> &'static str {
        match self.status() {
            KeyStatus::Revoked => "bad",
            KeyStatus::Active | KeyStatus::Inactive | KeyStatus::Expired => "warn",
        }
    }

    fn has_lineage(&self) -> bool {
        self.lineage.predecessor.is_some() || !self.lineage.successors.is_empty()
    }

    fn is_revoked(&self) -> bool {
        self.status() == KeyStatus::Revoked
    }

    fn may_rotate(&self) -> bool {
        let now = self.shell.now;
        let lives = |key: &ApiKey| !matches!(key.status(now), KeyStatus::Revoked | KeyStatus::Expired);
        lives(&self.key) && !self.lineage.successors.iter().any(lives)
    }

    /// What the status means for whoever sends the key.
    fn meaning(&self) -> &'static str {
        if self.key.blocked.is_some() && !matches!(self.status(), KeyStatus::Revoked | KeyStatus::Expired) {
            return "Every request with it is refused with 403 until somebody unblocks it.";
        }
        match self.status() {
            KeyStatus::Active => "Requests with it are allowed, within its permissions and limits.",
            KeyStatus::Inactive => {
                "It is disabled: every request with it is refused with 401 until somebody enables it."
            }
            KeyStatus::Expired => {
                "Its time is over: every request with it is refused with 401. Give it a later end to bring it back."
            }
            KeyStatus::Revoked => {
                "It was ended for good: every request with it is refused with 401. Its history stays."
            }
        }
    }

    fn kind(&self) -> &'static str {
        words::kind(self.key.kind.as_str()).name
    }

    fn issued_to(&self) -> Option<&str> {
        match &self.key.kind {
            KeyKind::Service { issued_to_service } => issued_to_service.as_deref(),
            KeyKind::User { issued_to_user_id } => issued_to_user_id.as_deref(),
            KeyKind::Ingest | KeyKind::VirtualLlm { .. } => None,
        }
    }

    /// The models of a client of the gateway for language models.
    fn models(&self) -> Option<Vec<&str>> {
        match &self.key.kind {
            KeyKind::VirtualLlm { allowed_models } => {
                Some(allowed_models.iter().map(keystile_core::key::ModelPattern::as_str).collect())
            }
            KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => None,
        }
    }

    /// What was spent of what, in dollars.
    fn budget(&self) -> Option<String> {
        let most = self.key.limits.max_budget?;
        let period = period_name(self.key.limits.budget_period.as_str());
        Some(format!("${:.2} of ${:.2} {period}", self.key.limits.spend.to_dollars(), most.to_dollars()))
    }

    fn addresses(&self) -> Vec<String> {
        self.key.allowed_ips.iter().collect()
    }

    fn objects(&self) -> impl Iterator<Item = (&'static str, &Map<String, Value>)> {
        [("Tags", &self.key.tags), ("Metadata", &self.key.metadata)]
            .into_iter()
            .filter(|(_, object)| !object.is_empty())
    }

    /// Where the reports about this key are.
    fn leaks_path(&self) -> String {
        self.shell.path(&format!("leaks?key_id={}", self.key.id))
    }

    /// Where the audit log tells all of this key.
    fn audit_path(&self) -> String {
        self.shell.path(&format!("audit?target={}", self.key.id))
    }
}

/// The members of an object, if none of them is an object or a list itself.
fn flat<'o>(object: &'o Map<String, Value>) -> Option<Vec<(&'o str, String)>> {
    let member = |(name, value): (&'o String, &'o Value)| match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some((name.as_str(), value.to_string())),
        Value::String(text) => Some((name.as_str(), text.clone())),
        Value::Array(_) | Value::Object(_) => None,
    };
    object.iter().map(member).collect()
}

fn pretty(object: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(object).unwrap_or_default()
}
