//! Where everybody can tell that a key leaked, and learns nothing by it; and where GitHub tells it, signed.

use std::time::Duration;

use axum::extract::{Request, State};
use http::{HeaderMap, StatusCode};
use keystile_core::LeakSource;
use keystile_manage::{Origin, Sighting};
use keystile_wire::{GithubAlert, GithubVerdict, LeakReceived, Problem, ReportLeak, SeenKey};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{self, Sender};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Answer, json};
use crate::body::{parse_list, read_json};
use crate::extract::{CameFrom, EarlyJson, Json, origin};
use crate::problem::ApiProblem;
use crate::reporters::Work;
use crate::state::App;

/// How long the answer to a report takes, whatever comes of it: nobody can tell by the time whether there is such a key. It is
/// longer than a commit mostly takes, so that a key is usually treated when the answer comes.
const REPORT_TAKES: Duration = Duration::from_millis(100);
/// Most secrets of one request of GitHub's.
const MOST_ALERTS: usize = 1_000;
const IDENTIFIER: &str = "Github-Public-Key-Identifier";
const SIGNATURE: &str = "Github-Public-Key-Signature";

/// Tell that an API key leaked, and where it was seen. Its tenant is told, and the key blocked or revoked, if the tenant wants that; who holds
/// a secret and wants to be sure that it is dead revokes it: `POST /oauth2/revoke`. The answer is the same for every text that may be a key, and comes after
/// the same time, without waiting for what comes of the report. One report at a time from an address.
#[utoipa::path(post, path = "/api/v1/leaks/report", tag = "leaks", security(()), request_body = ReportLeak, responses(
    (status = 202, body = LeakReceived, description = "It was taken, whether there is such a key or not."),
))]
pub(crate) async fn report_leak(
    State(app): State<App>,
    CameFrom(origin): CameFrom,
    Json(request): EarlyJson<ReportLeak>,
) -> Answer {
    let seen = request.parse().map_err(ApiProblem::invalid)?;
    let (turn, work) = app.reporters.enter(origin.ip)?;
    let end = Instant::now() + REPORT_TAKES;
    let (tell, mut looked) = oneshot::channel();
    tokio::spawn(work_on(app, seen, origin, (tell, work)).in_current_span());
    turn.until(end).await;
    match looked.try_recv() {
        // Every text is looked for by the same question, so that it cannot be asked tells nothing of this one.
        Ok(Err(unavailable)) => return Err(unavailable),
        Err(TryRecvError::Closed) => return Err(ApiProblem::internal()),
        Ok(Ok(())) | Err(TryRecvError::Empty) => {}
    }
    Ok(json(StatusCode::ACCEPTED, &LeakReceived::answer()))
}

/// Looks for the key, tells whether that could be done, and does what is to be done about it, whoever waits for it.
async fn work_on(app: App, seen: SeenKey, origin: Origin, (tell, work): (Sender<Answer<()>>, Work)) {
    let known = match seen.digest {
        Some(digest) => app.control.is_secret_of_a_key(digest).await.map_err(ApiProblem::from),
        None => Ok(false),
    };
    let is_known = matches!(known, Ok(true));
    // Nobody hears it who has gone away, or was answered already.
    let _unheard = tell.send(known.map(drop));
    if is_known && let Err(problem) = take(&app, seen, LeakSource::Report, &origin).await {
        tracing::error!(code = problem.code(), "a report of a leaked key was answered and is lost");
    }
    drop(work);
}

/// What GitHub's secret scanning tells of keys that it has found (partner program). The body is signed with the key that the header
/// names, which must be current and known here (`KEYSTILE_GITHUB_KEYS_FILE`). GitHub is told which of them are, or were, keys of ours.
#[utoipa::path(post, path = "/api/v1/leaks/github", tag = "leaks", security(()),
    params(("Github-Public-Key-Identifier" = Option<String>, Header), ("Github-Public-Key-Signature" = Option<String>, Header)),
    request_body = Vec<GithubAlert>, responses(
    (status = 200, body = Vec<GithubVerdict>, description = "A verdict for each, in their order."),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "`signature_invalid`: no current key of GitHub's has signed this."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "This server does not know GitHub's keys."),
))]
pub(crate) async fn take_github_alerts(State(app): State<App>, request: Request) -> Answer {
    let Some(keys) = app.settings.github_keys.clone() else {
        let detail = "this server does not know GitHub's keys; its operator can say where they are";
        return Err(ApiProblem::new(StatusCode::NOT_FOUND, "not_found", detail));
    };
    let (parts, body) = request.into_parts();
    let body = read_json(&parts.headers, body, &app.reading).await?;
    if !keys.have_signed(text(&parts.headers, IDENTIFIER), text(&parts.headers, SIGNATURE), &body) {
        let detail = "no current key of GitHub's has signed this";
        return Err(ApiProblem::new(StatusCode::FORBIDDEN, "signature_invalid", detail));
    }
    let alerts: Vec<GithubAlert> = parse_list(&body)?;
    if alerts.len() > MOST_ALERTS {
        let detail = format!("a request tells of at most {MOST_ALERTS} secrets");
        return Err(ApiProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
    }
    let (origin, mut verdicts) = (origin(&parts), Vec::with_capacity(alerts.len()));
    for alert in alerts {
        let is_ours = take(&app, alert.seen(), LeakSource::Github, &origin).await?;
        verdicts.push(alert.verdict(is_ours));
    }
    Ok(json(StatusCode::OK, &verdicts))
}

/// Does what is to be done about a key, and says whether any has, or had, this secret.
async fn take(app: &App, seen: SeenKey, source: LeakSource, origin: &Origin) -> Answer<bool> {
    let SeenKey { digest: Some(digest), place } = seen else { return Ok(false) };
    let (sighting, origin) = (Sighting { digest, source, place }, origin.clone());
    let taking = async move |app: App| app.control.take_leak(sighting, &origin).await;
    Ok(app.commit(taking).await?)
}

/// A header that is text, or nothing.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
