//! Exporting the log.

use axum::extract::State;
use keystile_core::{LogExportFormat, LogFilter, LoggedRequest};
use keystile_manage::{Caller, LogExport, Refused};
use keystile_wire::{LogExportQuery, LoggedRequestView, Problem};

use crate::api::Answer;
use crate::api::saved::{CSV, NDJSON, Pieces, saved};
use crate::extract::{Member, Query};
use crate::problem::ApiProblem;
use crate::state::App;

/// Export the requests of the log that a list with the same filters shows, in the same order, as a JSON object a line or as a table. For
/// members. An export that breaks off ends without the end of its body.
#[utoipa::path(get, path = "/logs/export", tag = "logs", params(("tenant_id" = String, Path), LogExportQuery), responses(
    (status = 200, description = "The requests.", content(
        (String = "application/x-ndjson"),
        (String = "text/csv"),
    )),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`request_log_elsewhere`: the log is kept where this server does not read it."),
))]
pub(crate) async fn export_logs(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<LogExportQuery>,
) -> Answer {
    let format = query.format.unwrap_or(LogExportFormat::Ndjson);
    export(&app, &caller, query.filter()?, format).await
}

/// What the filter shows, as a file to save.
pub async fn export(app: &App, caller: &Caller, filter: LogFilter, format: LogExportFormat) -> Answer {
    // Nothing of it is read before it is sent.
    let export = app.control.log_export(caller, filter)?;
    // A file that says nothing of what it lacks must not lack anything.
    let written = app.requests.flush().await;
    written.map_err(|_| ApiProblem::log_unwritten())?;
    let (media_type, ending) = match format {
        LogExportFormat::Ndjson => (NDJSON, "ndjson"),
        LogExportFormat::Csv => (CSV, "csv"),
    };
    let name = format!("keystile-requests-{}.{ending}", caller.tenant_id());
    Ok(saved(&name, media_type, Written { export, format, is_begun: false }))
}

/// The requests, written piece by piece.
struct Written {
    export: LogExport,
    format: LogExportFormat,
    is_begun: bool,
}

impl Pieces for Written {
    const WHAT: &'static str = "an export of the request log";

    async fn next(&mut self) -> Result<Option<String>, Refused> {
        if !std::mem::replace(&mut self.is_begun, true) {
            match self.format {
                LogExportFormat::Csv => return Ok(Some(LoggedRequestView::csv_head())),
                LogExportFormat::Ndjson => {}
            }
        }
        Ok(self.export.piece().await?.map(|piece| text(piece, self.format)))
    }
}

fn text(piece: Vec<LoggedRequest>, format: LogExportFormat) -> String {
    let mut text = String::new();
    for view in piece.into_iter().map(LoggedRequestView::from) {
        match format {
            LogExportFormat::Ndjson => {
                // It consists of texts and numbers, so nothing of it cannot be written.
                text.push_str(&serde_json::to_string(&view).unwrap_or_default());
                text.push('\n');
            }
            LogExportFormat::Csv => text.push_str(&view.csv_line()),
        }
    }
    text
}
