//! What the audit log tells of a key.

use std::collections::HashMap;

use keystile_core::{Action, Actor, KeyId, SealedEntry, Timestamp};
use keystile_manage::{AuditQuery, Caller, Refused};
use keystile_store::Page;
use serde_json::{Map, Value};

use keystile_web::App;
use keystile_web::api::Answer;

/// Entries that a key's page shows.
const SHOWN: u32 = 10;
/// Most characters of a value before and after a change.
const VALUE_MAX: usize = 60;
/// Fields of a change that are shown.
const FIELDS_SHOWN: usize = 4;

/// One entry.
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) what: &'static str,
    pub(super) who: String,
    pub(super) from: Option<String>,
    /// What was changed, field by field.
    pub(super) changes: Vec<String>,
}

/// The newest entries about a key.
pub(super) async fn story(app: &App, caller: &Caller, id: KeyId, names: &mut Names) -> Answer<Vec<Entry>> {
    let query = AuditQuery { target: Some(id.to_string()), ..AuditQuery::default() };
    let entries = app.control.audit(caller, &query, Page { after: None, limit: SHOWN }).await?;
    let mut told = Vec::with_capacity(entries.len());
    for SealedEntry { entry, .. } in entries {
        told.push(Entry {
            at: entry.at,
            what: what(entry.action),
            who: names.of(app, caller, entry.actor).await?,
            from: entry.ip.map(|ip| ip.to_string()),
            changes: if entry.action == Action::KeyUpdate {
                changes(entry.changes.get())
            } else {
                Vec::new()
            },
        });
    }
    Ok(told)
}

/// What people call those who act.
#[derive(Default)]
pub(super) struct Names(HashMap<Actor, String>);

impl Names {
    /// The name of one of them, read once.
    pub(super) async fn of(&mut self, app: &App, caller: &Caller, actor: Actor) -> Answer<String> {
        if let Some(name) = self.0.get(&actor) {
            return Ok(name.clone());
        }
        let name = match actor {
            Actor::System => "Keystile".to_owned(),
            Actor::Person(id) => match app.control.member(caller, id).await {
                Ok(member) => member.email.to_string(),
                Err(Refused::NotFound(_)) => "a former member".to_owned(),
                Err(other) => return Err(other.into()),
            },
            Actor::Key(id) => match app.control.key(caller, id).await {
                Ok(key) => format!("the key {}", key.name),
                Err(Refused::NotFound(_)) => format!("the key {id}"),
                Err(other) => return Err(other.into()),
            },
        };
        self.0.insert(actor, name.clone());
        Ok(name)
    }
}

const fn what(action: Action) -> &'static str {
    match action {
        Action::KeyCreate => "Created",
        Action::KeyImport => "Imported",
        Action::KeyLeak => "Reported as leaked",
        Action::KeyUpdate => "Changed",
        Action::KeyDisable => "Disabled",
        Action::KeyEnable => "Enabled",
        Action::KeyBlock => "Blocked",
        Action::KeyUnblock => "Unblocked",
        Action::KeyRegenerate => "Regenerated",
        Action::KeyRotate => "Rotated",
        Action::KeyRevoke => "Revoked",
        Action::KeyDelete => "Deleted",
        other => other.as_str(),
    }
}

/// `rpm_limit: 60 → 600`, for the first fields of a change.
fn changes(json: &str) -> Vec<String> {
    let fields: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let mut told: Vec<_> = fields
        .iter()
        .filter(|(_, change)| change.get("before").is_some() && change.get("after").is_some())
        .map(|(field, change)| format!("{field}: {}", difference(&change["before"], &change["after"])))
        .collect();
    let further = told.len().saturating_sub(FIELDS_SHOWN);
    if further > 0 {
        told.truncate(FIELDS_SHOWN);
        told.push(format!("and {further} more"));
    }
    told
}

/// `60 → 600`; of a list what came and what went.
fn difference(before: &Value, after: &Value) -> String {
    let (Value::Array(before), Value::Array(after)) = (before, after) else {
        return format!("{} → {}", short(before), short(after));
    };
    let apart = |sign: char, these: &[Value], others: &[Value]| {
        let own: Vec<_> = these.iter().filter(|item| !others.contains(item)).map(short).collect();
        (!own.is_empty()).then(|| format!("{sign} {}", cut(&own.join(", "))))
    };
    let parts: Vec<_> = apart('+', after, before).into_iter().chain(apart('−', before, after)).collect();
    if parts.is_empty() { "in another order".to_owned() } else { parts.join("; ") }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    cut(&text)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= VALUE_MAX {
        return text.to_owned();
    }
    text.chars().take(VALUE_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_field_by_field() {
        let told = changes(
            r#"{"rpm_limit":{"before":null,"after":600},"scopes":{"before":["a:b","x:y"],"after":["a:b","c:d"]},"x":1}"#,
        );
        assert_eq!(told, ["rpm_limit: none → 600", "scopes: + c:d; − x:y"]);
        let long = format!(r#"{{"name":{{"before":"{}","after":"b"}}}}"#, "ä".repeat(90));
        assert_eq!(changes(&long), [format!("name: {}… → b", "ä".repeat(60))]);
        assert!(changes("[]").is_empty());
    }
}
