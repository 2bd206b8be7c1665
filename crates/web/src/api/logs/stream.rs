//! The log as it grows, by server-sent events (WHATWG HTML, section 9.2).

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use keystile_core::LogId;
use keystile_engine::{Tail, Tailed};
use keystile_manage::Right;
use keystile_wire::{LogStreamQuery, LoggedRequestView, Problem};
use tokio::time::{Instant, sleep_until};

use crate::api::Answer;
use crate::extract::{Member, Query};
use crate::problem::{ApiProblem, BUSY};
use crate::request_log::Noted;
use crate::state::App;

/// Something is sent so often at least, so that whoever carries the connection does not take it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So often it is asked whether the caller may still see the log.
const RECHECK: Duration = Duration::from_secs(30);
/// A comment, which readers of events pass over.
const NOTHING_NEW: &str = ":\n\n";

/// Watch the log: a server-sent event `request` for each request that is logged from now on and passes the filters, its data as in the
/// list. An event `skipped` tells how many were passed over, as the client took them too slowly. It ends when the caller may
/// not read the log any more, at the latest with their token; at most 10 watch the log of a tenant. For members.
#[utoipa::path(get, path = "/logs/stream", tag = "logs", params(("tenant_id" = String, Path), LogStreamQuery), responses(
    (status = 200, body = String, content_type = "text/event-stream", description = "The requests as they come."),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "`busy`: so many watch this log already."),
))]
pub(crate) async fn stream_logs(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<LogStreamQuery>,
    request: Request,
) -> Answer {
    caller.require(Right::ReadLogs)?;
    let (parts, _) = request.into_parts();
    let tail = app.requests.watch(caller.tenant_id(), query.filter()?);
    let tail = tail.map_err(|busy| {
        ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, busy.to_string())
    })?;
    Ok(response(Watching::begin(app, parts, tail)))
}

/// The answer that goes on until there is nothing more to tell.
fn response(watching: Watching) -> Response {
    let pieces = stream::unfold(watching, |mut watching| async move {
        watching.next().await.map(|piece| (Ok::<_, std::convert::Infallible>(piece), watching))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Somebody who watches.
struct Watching {
    app: App,
    /// What they showed, which is looked at again and again.
    parts: Parts,
    tail: Tail,
    has_begun: bool,
    heartbeat_at: Instant,
    recheck_at: Instant,
}

impl Watching {
    fn begin(app: App, mut parts: Parts, tail: Tail) -> Self {
        // Looking again is no call, and is not noted as one.
        parts.extensions.insert(Noted::default());
        let now = Instant::now();
        let (heartbeat_at, recheck_at) = (now + HEARTBEAT, now + RECHECK);
        Self { app, parts, tail, has_begun: false, heartbeat_at, recheck_at }
    }

    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        // The head of the answer goes out with the first piece, so that the client knows that it is heard.
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(NOTHING_NEW.to_owned());
        }
        loop {
            let piece = tokio::select! {
                told = self.tail.next() => written(told?),
                () = sleep_until(self.heartbeat_at) => Some(NOTHING_NEW.to_owned()),
                () = sleep_until(self.recheck_at) => {
                    self.recheck().await?;
                    None
                }
            };
            if let Some(piece) = piece {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Some(piece);
            }
        }
    }

    /// Goes on only if the caller could begin it now.
    async fn recheck(&mut self) -> Option<()> {
        self.recheck_at = Instant::now() + RECHECK;
        let Member(caller) = Member::from_request_parts(&mut self.parts, &self.app).await.ok()?;
        caller.require(Right::ReadLogs).ok()
    }
}

fn written(told: Tailed) -> Option<String> {
    match told {
        Tailed::Request(request) => {
            let view = LoggedRequestView::from(*request);
            let id: LogId = view.id;
            let text = serde_json::to_string(&view).ok()?;
            Some(format!("event: request\nid: {id}\ndata: {text}\n\n"))
        }
        Tailed::Skipped(count) => Some(format!("event: skipped\ndata: {{\"skipped\":{count}}}\n\n")),
    }
}
