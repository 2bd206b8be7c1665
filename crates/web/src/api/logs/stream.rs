//! The log as it grows, by server-sent events (WHATWG HTML, section 9.2).

use axum::extract::{FromRequestParts, Request, State};
use http::request::Parts;
use keystile_core::LogId;
use keystile_engine::{Tail, Tailed};
use keystile_manage::Right;
use keystile_wire::{LogStreamQuery, LoggedRequestView, Problem};

use crate::api::Answer;
use crate::beats::NOTHING_NEW;
use crate::extract::{Member, Query};
use crate::state::App;
use crate::watching::{Telling, Watching, tail};

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
    let tail = tail(&app, caller.tenant_id(), query.filter()?)?;
    Ok(Watching::begin(Client { app }, parts, tail).answer(NOTHING_NEW.to_owned()))
}

/// A client of the API that watches.
struct Client {
    app: App,
}

impl Telling for Client {
    async fn told(&mut self, first: Tailed, _: &mut Tail) -> Option<String> {
        written(first)
    }

    async fn recheck(&mut self, shown: &mut Parts) -> Option<()> {
        let Member(caller) = Member::from_request_parts(shown, &self.app).await.ok()?;
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
