//! The log as it grows, by server-sent events (WHATWG HTML, section 9.2).

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

use crate::api::Answer;
use crate::beats::{Beats, NOTHING_NEW, Next, X_ACCEL_BUFFERING};
use crate::extract::{Member, Query};
use crate::problem::{ApiProblem, BUSY};
use crate::request_log::Noted;
use crate::state::App;

/// Watch the log: a server-sent event `request` for each request that is logged from now on and passes the filters, its data as in the
/// list. An event `skipped` tells how many were passed over, as the client took them too slowly. It ends within ten seconds when the caller
/// may not read the log any more, and so does it behind the end of their token; at most 10 watch the log of a tenant. For members.
#[utoipa::path(get, path = "/logs/stream", tag = "logs", params(("tenant_id" = String, Path), LogStreamQuery), responses(
    (status = 200, body = String, content_type = "text/event-stream", description = "The requests as they come."),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "`busy`: so many watch this log already, or the logs of this server."),
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
    let tail =
        tail.map_err(|busy| ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, busy.to_string()))?;
    Ok(response(Watching::begin(app, parts, tail)))
}

/// The answer that goes on until there is nothing more to tell.
fn response(watching: Watching) -> Response {
    let pieces = stream::unfold(watching, |mut watching| async move {
        watching.next().await.map(|piece| (Ok::<_, std::convert::Infallible>(piece), watching))
    });
    let headers =
        [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Somebody who watches.
struct Watching {
    app: App,
    /// What they showed, which is looked at again and again.
    parts: Parts,
    tail: Tail,
    has_begun: bool,
    beats: Beats,
}

impl Watching {
    fn begin(app: App, mut parts: Parts, tail: Tail) -> Self {
        // Looking again is no call, and is not noted as one.
        parts.extensions.insert(Noted::default());
        Self { app, parts, tail, has_begun: false, beats: Beats::begin() }
    }

    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        // The head of the answer goes out with the first piece, so that the client knows that it is heard.
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(NOTHING_NEW.to_owned());
        }
        loop {
            match self.beats.next(self.tail.next()).await {
                Next::Tell(told) => return written(told),
                Next::Beat => return Some(NOTHING_NEW.to_owned()),
                Next::Recheck => self.recheck().await?,
                Next::End => return None,
            }
        }
    }

    /// Goes on only if the caller could begin it now.
    async fn recheck(&mut self) -> Option<()> {
        let Member(caller) = Member::from_request_parts(&mut self.parts, &self.app).await.ok()?;
        caller.require(Right::ReadLogs).ok()
    }
}

/// An event; nothing, and the end, if it cannot be written, which does not come about.
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
