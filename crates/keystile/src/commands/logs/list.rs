//! `keystile logs list`.

use clap::Args;
use keystile_core::Timestamp;
use keystile_wire::{LogListQuery, LoggedRequestView};

use super::filters::Filters;
use crate::commands::context::{Context, Pages};
use crate::commands::output::Report;
use crate::commands::table::table;
use crate::failure::Failure;

/// Lists requests, the latest first: decisions about keys and calls of the API, refused ones included.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    pages: Pages,
}

impl List {
    pub(super) async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let wanted = self.filters.into_list(now);
        let page = async |limit, cursor| {
            client.logs(tenant, &LogListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "There is none like that.")
    }
}

/// Requests as a table.
pub(in crate::commands) fn rows(requests: &[LoggedRequestView]) -> String {
    let headings = ["AT", "FACE", "CODE", "METHOD", "PATH", "ADDRESS", "KEY OR CALLER", "ID"];
    table(headings, &requests.iter().map(cells).collect::<Vec<_>>())
}

/// What is told of a request in a line.
pub(super) fn cells(request: &LoggedRequestView) -> [String; 8] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let who = request.key_id.map(|key| key.to_string());
    [
        request.at.to_string(),
        request.face.to_string(),
        request.code.clone(),
        or_none(request.method.map(|method| method.to_string())),
        or_none(request.path.clone()),
        or_none(request.ip.map(|ip| ip.to_string())),
        or_none(who.or_else(|| request.caller.map(|caller| caller.to_string()))),
        request.id.to_string(),
    ]
}
