//! What the page of the growing log is told: server-sent events (WHATWG HTML, section 9.2) with rows as the page shows them.

use axum::extract::{FromRequestParts, Request, State};
use futures_util::FutureExt;
use http::header::ACCEPT;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use keystile_core::{LogFilter, LogId, LoggedRequest};
use keystile_engine::{Tail, Tailed};
use keystile_manage::{Caller, Right};

use super::Wanted;
use super::row::Row;
use crate::page::go_to;
use crate::shell::Shell;
use crate::sought::Sought;
use crate::visitor::Inside;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;
use keystile_web::watching::{Telling, Watching, tail};

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
    let tail = tail(&app, caller.tenant_id(), filter.clone())?;
    let viewer = Viewer { app, caller, shell };
    let missed = match last_event(&parts.headers).or(query.after) {
        Some(after) => viewer.missed(filter, after).await?,
        None => String::new(),
    };
    Ok(Watching::begin(viewer, parts, tail).answer(format!("{GREETING}{missed}")))
}

fn takes_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// What the browser has had, if it comes again.
fn last_event(headers: &HeaderMap) -> Option<LogId> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// A browser that watches.
struct Viewer {
    app: App,
    caller: Caller,
    shell: Shell,
}

impl Viewer {
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

    /// An event with these requests, the oldest first; none without any.
    async fn event(&self, requests: &[LoggedRequest]) -> Answer<String> {
        let Some(latest) = requests.iter().map(|request| request.id).max() else { return Ok(String::new()) };
        let names = self.app.control.names_in_requests(&self.caller, requests).await?;
        let rows: Vec<_> = requests.iter().map(|request| Row::new(&self.shell, request, &names)).collect();
        let text = serde_json::to_string(&rows).map_err(|_| ApiProblem::internal())?;
        Ok(format!("id: {latest}\nevent: requests\ndata: {text}\n\n"))
    }
}

impl Telling for Viewer {
    /// What is told together with `first`, as it is there already.
    async fn told(&mut self, first: Tailed, behind: &mut Tail) -> Option<String> {
        let (mut requests, mut piece) = (Vec::new(), String::new());
        let mut next = Some(first);
        while let Some(told) = next {
            match told {
                Tailed::Request(request) => requests.push(*request),
                Tailed::Skipped(_) => LEFT_OUT.clone_into(&mut piece),
            }
            let has_room = requests.len() < AT_ONCE;
            next = if has_room { behind.next().now_or_never().flatten() } else { None };
        }
        // If names cannot be read now, the browser comes again and is told then.
        piece.push_str(&self.event(&requests).await.ok()?);
        Some(piece)
    }

    async fn recheck(&mut self, shown: &mut Parts) -> Option<()> {
        let inside = Inside::from_request_parts(shown, &self.app).await.ok()?;
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
