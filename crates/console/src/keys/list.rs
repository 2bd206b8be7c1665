//! The list of API keys.

use askama::Template;
use axum::extract::State;
use keystile_core::key::{KeyCursor, KeySort, SortOrder};
use keystile_core::{ApiKey, Timestamp};
use keystile_store::KeyPage;
use keystile_wire::KeyListQuery;

use super::scope::{Archived, Catalogues, Choices, Permission, applications, customers};
use super::{ends_soon, rotation_is_due};
use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::visitor::Inside;
use crate::{assets, parts, window, words};
use keystile_web::App;
use keystile_web::api::keys::filter;
use keystile_web::api::{Answer, listing, page_size};

/// Permissions of a key that the list shows before it counts the others.
const PERMISSIONS_SHOWN: usize = 3;
/// Filters that stand behind "More filters".
const FURTHER: &[&str] = &[
    "kind",
    "trust_level",
    "customer_id",
    "source_id",
    "tag",
    "rotation_due",
    "blocked",
    "expires_within_days",
    "unused_days",
];
const ORDERS: &[(&str, &str)] = &[
    ("", "Newest first"),
    ("name", "By name"),
    ("last_used", "Last used first"),
    ("expires", "Ending soonest first"),
];
const ENDING: &[(&str, &str)] = &[("7", "within a week"), ("30", "within 30 days"), ("90", "within 90 days")];
const UNUSED: &[(&str, &str)] =
    &[("7", "for a week"), ("30", "for 30 days"), ("90", "for 90 days"), ("180", "for 180 days")];

#[derive(Template)]
#[template(path = "keys/list.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
    sort: KeySort,
    order: SortOrder,
    asked: Asked,
    next: Option<String>,
    /// Only some keys were looked at yet, among which are fewer than a page has.
    is_part: bool,
    applications: Choices,
    customers: Choices,
}

/// The head of a column with a link that orders the list by it.
#[derive(Template)]
#[template(path = "keys/head.html")]
struct Head {
    name: &'static str,
    path: String,
    now: Option<SortOrder>,
}

impl Head {
    fn is_ascending(&self) -> bool {
        self.now == Some(SortOrder::Ascending)
    }
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
    /// The head of a column by which the list can be ordered: where its link leads, and how the list is ordered by it now.
    fn head(&self, name: &'static str, sort: KeySort) -> Head {
        let now = (self.sort == sort).then_some(self.order);
        let other = match now {
            Some(SortOrder::Ascending) => SortOrder::Descending,
            Some(SortOrder::Descending) => SortOrder::Ascending,
            None => sort.usual_order(),
        };
        let changes = [("sort", sort.as_str()), ("order", other.as_str())];
        Head { name, path: self.asked.with_all(&changes), now }
    }

    fn name_head(&self) -> Head {
        self.head("Name", KeySort::Name)
    }

    fn use_head(&self) -> Head {
        self.head("Last used", KeySort::LastUsed)
    }

    /// Where one asks for a job on all keys that the list finds.
    fn job(&self, act: &str) -> String {
        self.shell.path("jobs/new") + &self.asked.with_all(&[("act", act), ("sort", ""), ("order", "")])
    }

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
    let (limit, sort, order) = (page_size(query.limit)?, query.sort(), query.order());
    let which = KeyPage { sort, order, after: query.after()?, limit: u32::from(limit) + 1 };
    let rotation_days = app.control.rotation_days(&caller).await?;
    let found = app.control.look_for_keys(&caller, &filter(query, shell.now, rotation_days)?, which).await?;
    let listed = listing(found.keys, limit.into(), |key| KeyCursor::of(key, sort).to_string(), |key| key);
    let (is_part, looked_to) = (found.looked_to.is_some(), found.looked_to.map(|place| place.to_string()));
    let next = listed.next_cursor.or(looked_to).map(|cursor| asked.with("cursor", &cursor));
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
    page(&List { shell, rows, sort, order, asked, next, is_part, applications, customers })
}
