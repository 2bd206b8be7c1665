//! The sources that send events.

use askama::Template;
use axum::extract::State;
use keystile_core::event::Source;
use keystile_core::{Timestamp, TrustLevel};
use keystile_wire::SourceListQuery;

use super::page::page;
use super::parts::Spark;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get};
use super::visitor::Inside;
use super::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::{Answer, ingest};

pub(super) fn routes() -> Pages {
    Pages::new().route("/sources", get(list))
}

/// A source, as a table tells of it.
pub(super) struct Row {
    pub(super) source_id: String,
    pub(super) trust_level: TrustLevel,
    pub(super) last_seen_at: Timestamp,
    /// The path of the key with which it was last heard.
    pub(super) key: String,
    /// The path of its events.
    pub(super) events: String,
    /// The path of its keys that are active.
    pub(super) keys: String,
    pub(super) active_keys: u64,
    /// Events a minute, with one decimal.
    pub(super) rate: String,
    pub(super) last_day: u64,
    pub(super) refused: u64,
    pub(super) spark: Spark,
}

#[derive(Template)]
#[template(path = "events/sources.html")]
struct List {
    shell: Shell,
    sources: Vec<Row>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the sources that have sent events.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<SourceListQuery>,
) -> Answer {
    let found = ingest::sources(&app, &caller, &query).await?;
    let next = found.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    let sources = rows(&shell, &found.data);
    page(&List { shell, sources, asked, next })
}

/// The rows of a table of sources.
pub(super) fn rows(shell: &Shell, sources: &[Source]) -> Vec<Row> {
    sources.iter().map(|source| row(shell, source)).collect()
}

fn row(shell: &Shell, source: &Source) -> Row {
    let Source { stamp, last_seen_at, activity, active_keys } = source;
    let (environment, source_id) = (stamp.environment.as_str(), stamp.source_id.as_str());
    let of_source = [("environment", environment), ("source_id", source_id)];
    let none = Asked::default();
    let active = [of_source[0], of_source[1], ("status", "active")];
    Row {
        source_id: source_id.to_owned(),
        trust_level: stamp.trust_level,
        last_seen_at: *last_seen_at,
        key: shell.path(&format!("keys/{}", stamp.key_id)),
        events: shell.path("events") + &none.with_all(&of_source),
        keys: shell.path("keys") + &none.with_all(&active),
        active_keys: *active_keys,
        rate: format!("{:.1}", activity.per_minute(shell.now)),
        last_day: activity.in_last_day(shell.now),
        refused: activity.refused_in_last_day(shell.now),
        spark: parts::spark(&activity.by_hour(shell.now)),
    }
}
