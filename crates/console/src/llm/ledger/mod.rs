//! The ledger: what was charged, row by row, and the ways to one.

mod correct;
mod show;

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use keystile_core::quota::{LedgerEntry, LedgerKind};
use keystile_core::{KeyId, LedgerId, NanoUsd};
use keystile_manage::{LedgerQuery, Names};
use serde::Deserialize;

use crate::audit::{DAY, day_of, moment};
use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::table::{Pages, get};
use crate::visitor::Inside;
use crate::{assets, money, parts, words};
use keystile_web::App;
use keystile_web::api::ledger::written;
use keystile_web::api::{Answer, listing, page_of, sought};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/ledger", get(list))
        .route("/ledger/{ledger_id}", get(show::show))
        .route("/ledger/{ledger_id}/correct", get(correct::ask).post(correct::correct))
}

/// What the list is asked to show. A day without a time is one of UTC.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: Option<u16>,
    cursor: Option<String>,
    key_id: Option<KeyId>,
    model: Option<String>,
    kind: Option<LedgerKind>,
    from: Option<String>,
    to: Option<String>,
}

impl Wanted {
    fn query(self) -> Answer<LedgerQuery> {
        let Self { key_id, model, kind, from, to, .. } = self;
        let from = from.map(|text| moment("from", &text, Duration::ZERO)).transpose()?;
        let to = to.map(|text| moment("to", &text, DAY)).transpose()?;
        Ok(LedgerQuery { key_id, model: sought("model", model)?, kind, from, to })
    }
}

#[derive(Template)]
#[template(path = "llm/ledger.html")]
struct List {
    shell: Shell,
    rows: Vec<LedgerEntry>,
    names: Names,
    asked: Asked,
    next: Option<String>,
}

impl List {
    /// What the key is called that is charged.
    fn key_name(&self, row: &LedgerEntry) -> String {
        name_of(&self.names, &row.whose.key_id)
    }
}

/// A page of what was charged.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<Wanted>,
) -> Answer {
    let (which, limit) = page_of::<LedgerId>(query.limit, query.cursor.as_deref())?;
    let wanted = query.query()?;
    written(&app, &caller).await?;
    let rows = app.control.ledger(&caller, &wanted, which).await?;
    let listed = listing(rows, limit, |row| row.id.to_string(), |row| row);
    let names = app.control.names_in_ledger(&caller, &listed.data).await?;
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, rows: listed.data, names, asked, next })
}

/// What something is called; its id if nobody knows.
fn name_of(names: &Names, id: &impl ToString) -> String {
    let id = id.to_string();
    names.of(&id).unwrap_or(&id).to_owned()
}

/// What a row says, in a word.
fn kind(row: &LedgerEntry) -> &'static str {
    words::ledger_kind(row.kind).name
}

/// What a row says, for the eye.
const fn tone(row: &LedgerEntry) -> &'static str {
    match row.kind {
        LedgerKind::Charge => "",
        LedgerKind::Lost => "warn",
        LedgerKind::Correction => "info",
    }
}

/// What its charge rests on, in a word.
fn basis(row: &LedgerEntry) -> Option<&'static str> {
    row.basis.map(|basis| words::basis(basis).name)
}

/// Tokens of input, those of caches included.
const fn input(row: &LedgerEntry) -> u64 {
    row.used.input.saturating_add(row.used.cached_input).saturating_add(row.used.cache_write)
}

/// What is charged, to its last digit.
fn charged(row: &LedgerEntry) -> String {
    money::exact(row.cost)
}

/// What was held, if anything was.
fn held(row: &LedgerEntry) -> Option<String> {
    (row.held > NanoUsd::ZERO).then(|| money::rounded(row.held))
}
