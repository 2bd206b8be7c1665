//! Where everybody can tell that a key leaked, and learns nothing by it; and where GitHub tells it, signed.

use std::time::Duration;

use axum::extract::{Request, State};
use http::{HeaderMap, StatusCode};
use keystile_core::LeakSource;
use keystile_manage::{Origin, Sighting};
use keystile_wire::{GithubAlert, GithubVerdict, LeakReceived, Problem, ReportLeak, SeenKey};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::{Answer, json};
use crate::body::{parse_list, read_json};
use crate::extract::{CameFrom, EarlyJson, Json, origin};
use crate::problem::ApiProblem;
use crate::state::App;

/// How long the answer to a report takes, whatever the key is: longer than a commit, so that nobody can tell by the time
/// whether there was one.
const REPORT_TAKES: Duration = Duration::from_millis(100);
/// Most secrets of one request of GitHub's.
const MOST_ALERTS: usize = 1_000;
const IDENTIFIER: &str = "Github-Public-Key-Identifier";
const SIGNATURE: &str = "Github-Public-Key-Signature";

/// Tell that an API key leaked, and where it was seen. Its tenant is told, and the key blocked or revoked, if the tenant wants that; who holds
/// a secret and wants to be sure that it is dead revokes it: `POST /oauth2/revoke`. The answer is the same for every text that may be a key, and takes as long.
/// One report at a time from an address.
#[utoipa::path(post, path = "/api/v1/leaks/report", tag = "leaks", security(()), request_body = ReportLeak, responses(
    (status = 202, body = LeakReceived, description = "It was taken, whether there is such a key or not."),
))]
pub(crate) async fn report_leak(
    State(app): State<App>,
    CameFrom(origin): CameFrom,
    Json(request): EarlyJson<ReportLeak>,
) -> Answer {
    let seen = request.parse().map_err(ApiProblem::invalid)?;
    let turn = app.reporters.enter(origin.ip)?;
    // Whoever goes away before the answer keeps their turn for as long as those who wait.
    let taking = async move {
        let _turn = turn;
        let until = Instant::now() + REPORT_TAKES;
        let taken = take(&app, seen, LeakSource::Report, &origin).await;
        sleep_until(until).await;
        taken
    };
    tokio::spawn(taking.in_current_span()).await.map_err(|_| ApiProblem::internal())??;
    Ok(json(StatusCode::ACCEPTED, &LeakReceived::answer()))
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
