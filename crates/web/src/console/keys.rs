//! The list of API keys.

use askama::Template;
use axum::extract::State;
use keystile_core::{ApiKey, KeyId};
use keystile_wire::KeyListQuery;

use super::page::page;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::visitor::Inside;
use super::{assets, parts};
use crate::api::keys::filter;
use crate::api::{Answer, listing, page_of};
use crate::state::App;

const ENVIRONMENTS: &[(&str, &str)] =
    &[("production", "Production"), ("staging", "Staging"), ("development", "Development")];
const STATUSES: &[(&str, &str)] =
    &[("active", "Active"), ("inactive", "Inactive"), ("expired", "Expired"), ("revoked", "Revoked")];
/// Permissions of a key that the list shows before it counts the others.
const SCOPES_SHOWN: usize = 3;

#[derive(Template)]
#[template(path = "keys/list.html")]
struct List {
    shell: Shell,
    keys: Vec<ApiKey>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the tenant's keys.
pub(super) async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<KeyListQuery>,
) -> Answer {
    let (which, limit) = page_of::<KeyId>(query.limit, query.cursor.as_deref())?;
    let rotation_days = app.control.rotation_days(&caller).await?;
    let keys = app.control.keys(&caller, &filter(query, shell.now, rotation_days)?, which).await?;
    let listed = listing(keys, limit, |key| key.id.to_string(), |key| key);
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, keys: listed.data, asked, next })
}

fn first_scopes(key: &ApiKey) -> Vec<&str> {
    key.scopes.iter().take(SCOPES_SHOWN).map(keystile_core::Grant::as_str).collect()
}

fn further_scopes(key: &ApiKey) -> usize {
    key.scopes.iter().len().saturating_sub(SCOPES_SHOWN)
}

/// The limits of a key in a line: `600/min, 10,000/1d`.
fn limits(key: &ApiKey) -> String {
    let minute = key.limits.rpm.map(|count| format!("{}/min", parts::number(count)));
    let others = key.limits.rates.iter();
    let others =
        others.map(|rate| format!("{}/{}", parts::number(rate.limit), parts::window(rate.window_seconds)));
    let all: Vec<_> = minute.into_iter().chain(others).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
