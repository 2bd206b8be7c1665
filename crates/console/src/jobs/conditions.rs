//! Which keys a job is asked for: the filters of their list, in people's words.

use keystile_core::{ApplicationId, CustomerId, Environment, KeyKind, KeyStatus, TrustLevel};
use keystile_manage::Caller;

use crate::keys::customer_name;
use crate::words;
use keystile_web::App;

/// A filter: what it is about, and what it demands of that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) about: &'static str,
    pub(super) demand: String,
}

/// What the query of the list demands, in its order; nothing if it finds all keys. Applications and customers are told by
/// their names, and by their ids where they have none any more.
pub(super) async fn conditions(app: &App, caller: &Caller, query: &str) -> Vec<Condition> {
    let mut told = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(mut condition) = condition(&name, &value) else { continue };
        if let Some(called) = called(app, caller, &name, &value).await {
            condition.demand = called;
        }
        told.push(condition);
    }
    told
}

/// What an application or a customer is called.
async fn called(app: &App, caller: &Caller, name: &str, id: &str) -> Option<String> {
    match name {
        "application_id" => {
            let id: ApplicationId = id.parse().ok()?;
            Some(app.control.application(caller, id).await.ok()?.name.to_string())
        }
        "customer_id" => {
            let id: CustomerId = id.parse().ok()?;
            customer_name(app, caller, id).await.ok()
        }
        _ => None,
    }
}

/// What a field of the query demands; nothing of one that only orders the list. A value without words is told as it is.
fn condition(name: &str, value: &str) -> Option<Condition> {
    let demand = |word: Option<&str>| word.unwrap_or(value).to_owned();
    let (about, demand) = match name {
        "q" => ("Name has", value.to_owned()),
        "environment" => {
            let environment = value.parse::<Environment>().ok();
            ("Environment", demand(environment.map(|one| words::environment(one).name)))
        }
        "status" => ("Status", demand(value.parse::<KeyStatus>().ok().map(words::status))),
        "application_id" => ("Application", value.to_owned()),
        "customer_id" => ("Customer", value.to_owned()),
        "kind" => ("Kind", demand(KeyKind::NAMES.contains(&value).then(|| words::kind(value).name))),
        "trust_level" => {
            let level = value.parse::<TrustLevel>().ok();
            ("Trust level", demand(level.map(|one| words::trust(one).name)))
        }
        "source_id" => ("Source", value.to_owned()),
        "tag" => ("Tag", value.to_owned()),
        "rotation_due" => ("Rotation", if value == "true" { "due" } else { "not due" }.to_owned()),
        "blocked" => ("Blocked", if value == "true" { "yes" } else { "no" }.to_owned()),
        "unused_days" => ("Not used", format!("for {value} days")),
        "expires_within_days" => ("Ends", format!("within {value} days")),
        _ => return None,
    };
    Some(Condition { about, demand })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, value: &str) -> Option<String> {
        condition(name, value).map(|condition| format!("{}: {}", condition.about, condition.demand))
    }

    #[test]
    fn filters_are_told_in_the_words_of_the_list() {
        let all = [
            ("q", "check", "Name has: check"),
            ("environment", "staging", "Environment: Staging"),
            ("status", "inactive", "Status: Inactive"),
            ("trust_level", "external", "Trust level: External"),
            ("kind", "ingest", "Kind: Ingest"),
            ("rotation_due", "true", "Rotation: due"),
            ("blocked", "false", "Blocked: no"),
            ("unused_days", "90", "Not used: for 90 days"),
            ("expires_within_days", "7", "Ends: within 7 days"),
            ("tag", "team:billing", "Tag: team:billing"),
        ];
        for (name, value, expected) in all {
            assert_eq!(told(name, value).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_only_orders_the_list_demands_nothing() {
        assert_eq!(told("sort", "name"), None);
        assert_eq!(told("order", "asc"), None);
    }
}
