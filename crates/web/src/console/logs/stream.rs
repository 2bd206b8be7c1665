//! What the page of the growing log is told: server-sent events (WHATWG HTML, section 9.2) with rows as the page shows them.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use keystile_core::{LogFilter, LogId, LoggedRequest};
use keystile_engine::{Tail, Tailed};
use keystile_manage::{Caller, Right};

use super::Wanted;
use super::row::Row;
use crate::api::Answer;
use crate::beats::{Beats, NOTHING_NEW, Next, X_ACCEL_BUFFERING};
use crate::console::page::go_to;
use crate::console::shell::Shell;
use crate::console::sought::Sought;
use crate::console::visitor::Inside;
use crate::problem::{ApiProblem, BUSY};
use crate::request_log::Noted;
use crate::state::App;

/// Where a browser that comes again says what it has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells browsers to come again after three seconds when the stream breaks off.
const GREETING: &str = "retry: 3000\n\n";
/// Told when requests are not told one by one.
const LEFT_OUT: &str = "event: left-out\ndata: {}\n\n";
/// Most requests in one event: half of what the page shows.
const AT_ONCE: usize = 100;
/// Most requests that are made up for when a browser comes again: all that the page shows.
const MISSED: u32 = 200;

/// Tells of requests as they are logged, as long as whoever watches may see the log. A person who opens it is led to the page.
pub(super) async fn watch(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, .. }: Sought<Wanted>,
    request: Request,
) -> Answer {
    caller.require(Right::ReadLogs)?;
    let (parts, _) = request.into_parts();
    if !takes_events(&parts.headers) {
        return go_to(&shell.path("logs/live"), shell.surroundings);
    }
    let filter = query.filter()?;
    let tail = app.requests.watch(caller.tenant_id(), filter.clone());
    let tail =
        tail.map_err(|busy| ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, busy.to_string()))?;
    let watching = Watching::begin(app, parts, (caller, shell), tail);
    let after = last_event(&watching.parts.headers).or(query.after);
    let missed = match after {
        Some(after) => watching.missed(filter, after).await?,
        None => String::new(),
    };
    Ok(answer(watching, format!("{GREETING}{missed}")))
}

fn takes_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// What the browser has had, if it comes again.
fn last_event(headers: &HeaderMap) -> Option<LogId> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// The answer that goes on until there is nothing more to tell.
fn answer(watching: Watching, first: String) -> Response {
    let pieces = stream::unfold((watching, Some(first)), |(mut watching, first)| async move {
        let piece = match first {
            Some(first) => first,
            None => watching.next().await?,
        };
        Some((Ok::<_, Infallible>(piece), (watching, None)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (X_ACCEL_BUFFERING, "no")];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Somebody who watches.
struct Watching {
    app: App,
    /// What they showed, which is looked at again and again.
    parts: Parts,
    caller: Caller,
    shell: Shell,
    tail: Tail,
    beats: Beats,
}

impl Watching {
    fn begin(app: App, mut parts: Parts, (caller, shell): (Caller, Shell), tail: Tail) -> Self {
        // Looking again is no visit, and is not noted as one.
        parts.extensions.insert(Noted::default());
        Self { app, parts, caller, shell, tail, beats: Beats::begin() }
    }

    /// What was logged behind a request that the browser has. What is told twice the page knows by its id.
    async fn missed(&self, filter: LogFilter, after: LogId) -> Answer<String> {
        let since = after.made_at();
        let from = Some(filter.from.map_or(since, |from| from.max(since)));
        let missed = LogFilter { from, ..filter };
        if self.app.control.log_elsewhere().is_some() {
            return Ok(String::new());
        }
        let part = self.app.control.logged_requests(&self.caller, missed, None, MISSED).await?;
        let mut requests = part.requests;
        requests.retain(|request| request.id > after);
        requests.reverse();
        let told = self.event(&requests).await?;
        Ok(if part.next.is_some() { format!("{LEFT_OUT}{told}") } else { told })
    }

    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.beats.next(self.tail.next()).await {
                Next::Tell(told) => return self.told(told).await,
                Next::Beat => return Some(NOTHING_NEW.to_owned()),
                Next::Recheck => self.recheck().await?,
                Next::End => return None,
            }
        }
    }

    /// What is told together with `first`, as it is there already.
    async fn told(&mut self, first: Tailed) -> Option<String> {
        let (mut requests, mut piece) = (Vec::new(), String::new());
        let mut next = Some(first);
        while let Some(told) = next {
            match told {
                Tailed::Request(request) => requests.push(*request),
                Tailed::Skipped(_) => LEFT_OUT.clone_into(&mut piece),
            }
            let has_room = requests.len() < AT_ONCE;
            next = if has_room { self.tail.next().now_or_never().flatten() } else { None };
        }
        // If names cannot be read now, the browser comes again and is told then.
        piece.push_str(&self.event(&requests).await.ok()?);
        Some(piece)
    }

    /// An event with these requests, the oldest first; none without any.
    async fn event(&self, requests: &[LoggedRequest]) -> Answer<String> {
        let Some(latest) = requests.iter().map(|request| request.id).max() else { return Ok(String::new()) };
        let names = self.app.control.names_in_requests(&self.caller, requests).await?;
        let rows: Vec<_> = requests.iter().map(|request| Row::new(&self.shell, request, &names)).collect();
        let text = serde_json::to_string(&rows).map_err(|_| ApiProblem::internal())?;
        Ok(format!("id: {latest}\nevent: requests\ndata: {text}\n\n"))
    }

    /// Goes on only if they could begin it now.
    async fn recheck(&mut self) -> Option<()> {
        let inside = Inside::from_request_parts(&mut self.parts, &self.app).await.ok()?;
        inside.caller.require(Right::ReadLogs).ok()?;
        (self.caller, self.shell) = (inside.caller, inside.shell);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_whoever_takes_events_is_told_them() {
        let takes = |value: &'static str| {
            takes_events(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]))
        };
        assert!(takes("text/event-stream") && takes("text/html, text/event-stream;q=0.5"));
        assert!(!takes("text/html") && !takes("*/*") && !takes_events(&HeaderMap::new()));
    }

    #[test]
    fn a_browser_that_comes_again_says_what_it_has() {
        let last = |value: &'static str| {
            last_event(&HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(value))]))
        };
        let id = "log_01J00000000000000000000001";
        assert_eq!(last(id).map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!((last("7"), last_event(&HeaderMap::new())), (None, None));
    }
}
