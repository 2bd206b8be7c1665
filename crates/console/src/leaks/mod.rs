//! Keys that were reported as leaked: what was told, what was done, and what is left to be done.

mod rules;
mod show;

use askama::Template;
use axum::extract::State;
use keystile_core::{ApiKey, KeyId, LeakId, LeakReport, LeakState, OnLeak, Timestamp};
use keystile_manage::Caller;
use keystile_store::{LeakedKey, Page};
use keystile_wire::LeakListQuery;

use super::page::page;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get};
use super::visitor::Inside;
use super::words::{self, Word};
use super::{assets, parts};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of};

/// Reports about a key that its page looks at: of these it tells the newest about the secret that the key has now.
const LOOKED_AT: u32 = 20;

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/leaks", get(list))
        .route("/leaks/rules", get(rules::show))
        .route("/leaks/{leak_id}", get(show::show))
}

/// A report, and the key that it is about as it is now.
pub(super) struct Seen {
    pub(super) report: LeakReport,
    pub(super) key: ApiKey,
    /// What the secret that leaked opens now.
    pub(super) state: LeakState,
}

impl Seen {
    fn new(leaked: LeakedKey, now: Timestamp) -> Self {
        let state = leaked.state(now);
        let LeakedKey { report, key, .. } = leaked;
        Self { report, key, state }
    }

    /// Who told it.
    pub(super) const fn source(&self) -> Word {
        words::leak_source(self.report.source)
    }

    /// What was done.
    pub(super) const fn done(&self) -> Word {
        words::leak_deed(self.report.done)
    }

    /// What its secret opens now, in words.
    pub(super) const fn meaning(&self) -> &'static str {
        words::leak_state(self.state).what
    }

    /// Whether whoever has found it can use it.
    pub(super) fn is_live(&self) -> bool {
        self.state == LeakState::Live
    }

    /// Whether the secret that leaked is the one that the key has now.
    pub(super) fn is_of_present_secret(&self) -> bool {
        self.state != LeakState::Replaced
    }

    /// Whether the key has a page: a deleted one has none.
    pub(super) const fn has_page(&self) -> bool {
        self.key.deleted.is_none()
    }
}

/// What a page of a key tells of reports about it, if there are any.
pub(super) async fn of_key(app: &App, caller: &Caller, id: KeyId, now: Timestamp) -> Answer<Option<Seen>> {
    let newest = Page { after: None, limit: LOOKED_AT };
    let mut leaked = app.control.leaked_keys(caller, Some(id), newest).await?;
    let told = leaked.iter().position(|one| one.is_present).unwrap_or(0);
    Ok((!leaked.is_empty()).then(|| Seen::new(leaked.swap_remove(told), now)))
}

#[derive(Template)]
#[template(path = "leaks/list.html")]
struct List {
    shell: Shell,
    leaks: Vec<Seen>,
    asked: Asked,
    next: Option<String>,
    /// What the tenant wants done with keys that are reported.
    wanted: OnLeak,
}

/// A page of the reports about keys of the tenant.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<LeakListQuery>,
) -> Answer {
    let (which, limit) = page_of::<LeakId>(query.limit, query.cursor.as_deref())?;
    let leaked = app.control.leaked_keys(&caller, query.key_id, which).await?;
    let now = shell.now;
    let listed = listing(leaked, limit, |one| one.report.id.to_string(), |one| Seen::new(one, now));
    let wanted = app.control.tenant(&caller).await?.settings.on_leak;
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, leaks: listed.data, asked, next, wanted })
}

impl List {
    fn wanted(&self) -> Word {
        words::on_leak(self.wanted)
    }
}
