//! `keystile audit list`.

use clap::{Args, value_parser};
use keystile_core::{Action, Actor, Timestamp};
use keystile_wire::{AuditEntryView, AuditListQuery, Listing, MAX_PAGE};

use crate::commands::connection::Session;
use crate::commands::output::{Form, Report};
use crate::commands::table::table;
use crate::commands::words::action;
use crate::failure::Failure;

/// Lists what was done, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile audit list --actor per_01J8Z3V5N0QK7Y2M4T6B8D9FGH
  keystile audit list --target key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --json |
    jq '.data[] | {at, action, changes}'")]
pub(super) struct List {
    /// Only what this person or key did, or `system`.
    #[arg(long, value_name = "ID")]
    actor: Option<Actor>,
    /// Only this kind of change.
    #[arg(long, value_parser = action(), hide_possible_values = true)]
    action: Option<Action>,
    /// Only what was done to this: a key, an application, …
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only what was done at this time or later.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only what was done before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Most entries to list.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
    /// List all entries.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Read on from here: `next_cursor` of an earlier list.
    #[arg(long)]
    cursor: Option<String>,
}

impl List {
    pub(super) async fn run(self, session: &Session, form: Form) -> Result<Report, Failure> {
        let listing = self.pages(session).await?;
        match form {
            Form::Json => Report::json(&listing),
            Form::Text => Ok(report(&listing)),
        }
    }

    /// Reads page by page until there are enough.
    async fn pages(self, session: &Session) -> Result<Listing<AuditEntryView>, Failure> {
        let tenant = session.tenant().await?;
        let most = if self.all { usize::MAX } else { self.limit as usize };
        let mut query = self.query();
        let mut data: Vec<AuditEntryView> = Vec::new();
        loop {
            query.limit = Some(u16::try_from(most - data.len()).unwrap_or(MAX_PAGE).min(MAX_PAGE));
            let page = session.client.audit(tenant, &query).await?;
            // An empty page that promises more would never end.
            let is_empty = page.data.is_empty();
            data.extend(page.data);
            if is_empty || page.next_cursor.is_none() || data.len() >= most {
                return Ok(Listing { data, next_cursor: page.next_cursor });
            }
            query.cursor = page.next_cursor;
        }
    }

    fn query(self) -> AuditListQuery {
        let Self { actor, action, target, from, to, cursor, .. } = self;
        AuditListQuery { limit: None, cursor, actor, action, target, from, to }
    }
}

fn report(listing: &Listing<AuditEntryView>) -> Report {
    if listing.data.is_empty() {
        return Report::default().note("No entry is like that; leave out a filter to see more.");
    }
    let report = Report::default().data(&rows(&listing.data));
    match &listing.next_cursor {
        Some(_) => report.note("There are more entries: --limit COUNT or --all lists them."),
        None => report,
    }
}

fn rows(entries: &[AuditEntryView]) -> String {
    let row = |entry: &AuditEntryView| {
        [
            entry.seq.to_string(),
            entry.at.to_string(),
            entry.action.clone(),
            entry.target.clone(),
            entry.actor.to_string(),
            entry.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()),
            entry.id.to_string(),
            touched(entry),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    table(["SEQ", "AT", "ACTION", "TARGET", "ACTOR", "FROM", "ID", "FIELDS"], &rows)
}

/// The names of the fields that were changed.
fn touched(entry: &AuditEntryView) -> String {
    let fields: Result<serde_json::Map<String, serde_json::Value>, _> =
        serde_json::from_str(entry.changes.get());
    fields
        .map(|fields| fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
}
