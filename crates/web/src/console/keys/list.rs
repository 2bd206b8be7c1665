//! The list of API keys.

use askama::Template;
use axum::extract::State;
use keystile_core::{ApiKey, KeyId, Timestamp};
use keystile_wire::KeyListQuery;

use super::scope::{Archived, Catalogues, Choices, Permission, applications, customers};
use super::{ENVIRONMENTS, KINDS, STATUSES, TRUST_LEVELS, ends_soon, rotation_is_due, window};
use crate::api::keys::filter;
use crate::api::{Answer, listing, page_of};
use crate::console::page::page;
use crate::console::shell::Shell;
use crate::console::sought::{Asked, Sought};
use crate::console::visitor::Inside;
use crate::console::{assets, parts};
use crate::state::App;

/// Permissions of a key that the list shows before it counts the others.
const PERMISSIONS_SHOWN: usize = 3;
/// Filters that stand behind "More filters".
const FURTHER: &[&str] =
    &["kind", "trust_level", "customer_id", "source_id", "tag", "rotation_due", "unused_days"];
const UNUSED: &[(&str, &str)] =
    &[("7", "for a week"), ("30", "for 30 days"), ("90", "for 90 days"), ("180", "for 180 days")];

#[derive(Template)]
#[template(path = "keys/list.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
    asked: Asked,
    next: Option<String>,
    applications: Choices,
    customers: Choices,
}

/// A key as the list shows it.
struct Row {
    key: ApiKey,
    application: String,
    permissions: Vec<Permission>,
    limits: String,
    ends_soon: Option<Timestamp>,
    rotation_due: bool,
}

impl Row {
    fn shown(&self) -> &[Permission] {
        self.permissions.get(..PERMISSIONS_SHOWN).unwrap_or(&self.permissions)
    }

    fn further(&self) -> &[Permission] {
        self.permissions.get(PERMISSIONS_SHOWN..).unwrap_or_default()
    }

    /// The names of the permissions that are only counted.
    fn further_names(&self) -> String {
        self.further().iter().map(|permission| permission.label.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn has_ended(&self) -> bool {
        self.key.revoked.is_some()
    }
}

impl List {
    fn further_filters(&self) -> usize {
        FURTHER.iter().filter(|name| !self.asked.of(name).is_empty()).count()
    }
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
    let catalogues = Catalogues::of(&app, &caller, &listed.data).await?;
    let applications = applications(&app, &caller, Archived::Shown).await?;
    let row = |key: ApiKey| {
        let id = key.application_id.to_string();
        Row {
            application: applications.name(&id).unwrap_or(&id).to_owned(),
            permissions: catalogues.permissions(&key),
            limits: window::summary(&key),
            ends_soon: ends_soon(&key, shell.now),
            rotation_due: rotation_is_due(&key, shell.now, rotation_days),
            key,
        }
    };
    let rows = listed.data.into_iter().map(row).collect();
    let customers = customers(&app, &caller, Archived::Shown).await?;
    page(&List { shell, rows, asked, next, applications, customers })
}
