//! The audit log: what was done, in sentences; and its export.

mod check;
mod sentence;

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use keystile_core::{Action, Actor, Invalid, RecordedEntry, SealedEntry, Seq, Timestamp};
use keystile_manage::{AuditQuery, Names};
use keystile_wire::{AuditExportQuery, AuditListQuery};
use serde::Deserialize;
use serde_json::Value;

use self::sentence::{Part, sentence, what, who};
use super::page::page;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get};
use super::visitor::Inside;
use super::{assets, parts};
use keystile_web::App;
use keystile_web::api::{Answer, audit, listing, page_of};
use keystile_web::extract::Query;
use keystile_web::problem::ApiProblem;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The groups of actions, by how their words begin, and for people.
const GROUPS: &[(&str, &str)] = &[
    ("key", "API keys"),
    ("application", "Applications"),
    ("routing", "Applications"),
    ("permission", "Applications"),
    ("customer", "Customers"),
    ("job", "Background jobs"),
    ("provider", "Models"),
    ("model", "Models"),
    ("membership", "People"),
    ("invitation", "People"),
    ("person", "People"),
    ("session", "Signing in"),
    ("password", "Signing in"),
    ("totp", "Signing in"),
    ("tenant", "Tenant"),
    ("hold", "Spending"),
    ("ledger", "Spending"),
    ("webhook", "Webhooks"),
];

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/audit", get(list))
        .route("/audit/export", get(export))
        .route("/audit/check", get(check::ask).post(check::check))
}

/// Which entries to show: as the API has it, but a day may stand for its beginning, or its end.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    limit: Option<u16>,
    cursor: Option<String>,
    actor: Option<Actor>,
    action: Option<Action>,
    target: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Wanted {
    fn query(self) -> Answer<AuditListQuery> {
        let Self { limit, cursor, actor, action, target, from, to } = self;
        let from = from.map(|text| moment("from", &text, Duration::ZERO)).transpose()?;
        let to = to.map(|text| moment("to", &text, DAY)).transpose()?;
        let query = AuditListQuery { limit, cursor, actor, action, target, from, to };
        query.check()?;
        Ok(query)
    }
}

/// A moment as it is, or a day with `more` behind its beginning, in UTC.
pub(super) fn moment(field: &'static str, text: &str, more: Duration) -> Answer<Timestamp> {
    let whole = text.parse::<Timestamp>();
    let day = || format!("{text}T00:00:00Z").parse::<Timestamp>().map(|at| at.plus(more));
    whole.or_else(|_| day()).map_err(|invalid: Invalid| ApiProblem::from(invalid.at(field)))
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct List {
    shell: Shell,
    entries: Vec<SealedEntry>,
    names: Names,
    asked: Asked,
    next: Option<String>,
    /// Only some entries were looked at yet, among which are fewer than a page has.
    is_part: bool,
}

/// A page of the log.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<Wanted>,
) -> Answer {
    let AuditListQuery { limit, cursor, actor, action, target, from, to } = query.query()?;
    let (which, limit) = page_of::<Seq>(limit, cursor.as_deref())?;
    let query = AuditQuery { actor, action, target, from, to };
    let found = app.control.look_in_audit(&caller, &query, which).await?;
    let listed = listing(found.entries, limit, |entry| entry.seq.to_string(), |entry| entry);
    let names = app.control.names_in(&caller, &listed.data).await?;
    let (is_part, looked_to) = (found.looked_to.is_some(), found.looked_to.map(|seq| seq.to_string()));
    let next = listed.next_cursor.or(looked_to).map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, entries: listed.data, names, asked, next, is_part })
}

impl List {
    /// Somebody or something that the list is narrowed to, in words.
    fn narrowed_to(&self, name: &str) -> Option<String> {
        let id = Some(self.asked.of(name)).filter(|id| !id.is_empty())?;
        let named = || match name {
            "actor" => id.parse().map_or_else(|_| id.to_owned(), |actor| who(actor, &self.names)),
            _ => what(id, &self.names),
        };
        Some(if self.entries.is_empty() { id.to_owned() } else { named() })
    }
}

/// The log as a file, which proves itself.
async fn export(
    State(app): State<App>,
    Inside { caller, .. }: Inside,
    Query(query): Query<AuditExportQuery>,
) -> Answer {
    audit::export(&app, &caller, query.first()).await
}

/// The actions that can be looked for, group by group.
fn actions() -> Vec<(&'static str, Vec<Action>)> {
    let group = |action: &Action| {
        let kind = action.as_str().split('.').next().unwrap_or_default().trim_end_matches('s');
        GROUPS.iter().find(|(word, _)| *word == kind).map_or("Other", |(_, name)| *name)
    };
    let mut groups: Vec<(&'static str, Vec<Action>)> = Vec::new();
    for action in Action::ALL {
        match groups.iter_mut().find(|(name, _)| *name == group(action)) {
            Some((_, actions)) => actions.push(*action),
            None => groups.push((group(action), vec![*action])),
        }
    }
    groups
}

/// A field that an entry tells of.
struct Changed {
    name: String,
    /// What it was; nothing where the entry tells of something new.
    before: Option<String>,
    now: String,
}

/// What an entry tells, field by field. Of something new only what it has is told.
fn changes(entry: &SealedEntry) -> Vec<Changed> {
    let Ok(Value::Object(fields)) = serde_json::from_str(entry.entry.changes.get()) else {
        return Vec::new();
    };
    let told = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let field = |(name, value): (String, Value)| match (value.get("before"), value.get("after")) {
        (Some(before), Some(after)) => Some(Changed { name, before: Some(told(before)), now: told(after) }),
        _ => (!is_empty(&value)).then(|| Changed { name, before: None, now: told(&value) }),
    };
    fields.into_iter().filter_map(field).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_before(changes: &[Changed]) -> bool {
    changes.iter().any(|field| field.before.is_some())
}

/// The page of what an entry is about, if it has one.
fn page_of_target(shell: &Shell, target: &str) -> Option<String> {
    let (whole, part) = target.split_once('/').unwrap_or((target, ""));
    let section = match whole.split('_').next()? {
        "key" => "keys",
        "app" => "applications",
        "cus" => "customers",
        "mdl" => "models",
        "led" => "ledger",
        // Who may not see them is not led there.
        "prv" if shell.may_administer() => "providers",
        _ => return None,
    };
    let behind = if part.is_empty() { "" } else { "/permissions" };
    Some(shell.path(&format!("{section}/{whole}{behind}")))
}

/// The day of a moment that was asked for, as an input for days shows it.
pub(super) fn day_of(text: &str) -> &str {
    text.get(..10).unwrap_or_default()
}

fn actor(entry: &RecordedEntry, names: &Names) -> String {
    who(entry.actor, names)
}

/// How grave an action is, for the eye.
fn tone(entry: &RecordedEntry) -> &'static str {
    match entry.action.as_str().split('.').next_back() {
        Some("revoke" | "delete" | "block" | "remove" | "disable" | "refuse" | "reuse") => "bad",
        Some("create" | "import" | "enable" | "unblock" | "confirm" | "set") => "good",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_group() {
        let groups = actions();
        assert_eq!(groups.iter().map(|(_, actions)| actions.len()).sum::<usize>(), Action::ALL.len());
        assert!(groups.iter().all(|(name, _)| *name != "Other"), "{groups:?}");
    }

    #[test]
    fn a_day_stands_for_its_beginning_or_its_end() {
        let told = |field, text, more| moment(field, text, more).unwrap().to_string();
        assert_eq!(told("from", "2026-03-01", Duration::ZERO), "2026-03-01T00:00:00.000Z");
        assert_eq!(told("to", "2026-02-28", DAY), "2026-03-01T00:00:00.000Z");
        assert_eq!(told("to", "2026-02-28T10:00:00Z", DAY), "2026-02-28T10:00:00.000Z");
        assert_eq!(moment("to", "yesterday", DAY).unwrap_err().errors()[0].field, "to");
    }
}
