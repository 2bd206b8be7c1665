//! Exporting the log.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use keystile_core::{LogExportFormat, LogFilter, LoggedRequest};
use keystile_manage::{Caller, LogExport, Refused};
use keystile_wire::{LogExportQuery, LoggedRequestView, Problem};

use crate::api::Answer;
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
pub(crate) async fn export(app: &App, caller: &Caller, filter: LogFilter, format: LogExportFormat) -> Answer {
    // Nothing of it is read before it is sent.
    let export = app.control.log_export(caller, filter)?;
    // A file that says nothing of what it lacks must not lack anything.
    let written = app.requests.flush().await;
    written.map_err(|_| ApiProblem::log_unwritten())?;
    let (media_type, ending) = match format {
        LogExportFormat::Ndjson => ("application/x-ndjson", "ndjson"),
        LogExportFormat::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let name = format!(r#"attachment; filename="keystile-requests-{}.{ending}""#, caller.tenant_id());
    let headers: [(HeaderName, String); 3] = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, streamed(export, format)).into_response())
}

/// Reads each piece when the client has taken the one before. What fails on the way cuts the connection.
fn streamed(export: LogExport, format: LogExportFormat) -> Response {
    let head = match format {
        LogExportFormat::Ndjson => None,
        LogExportFormat::Csv => Some(LoggedRequestView::csv_head()),
    };
    let pieces = stream::try_unfold((export, head), move |(mut export, mut head)| async move {
        if let Some(head) = head.take() {
            return Ok(Some((head, (export, None))));
        }
        let piece = export.piece().await.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "an export of the request log broke off"
            );
        })?;
        Ok::<_, Refused>(piece.map(|piece| (text(piece, format), (export, None))))
    });
    Body::from_stream(pieces).into_response()
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
