//! What was done with a key that leaked.

use axum::extract::State;
use http::StatusCode;
use keystile_core::{Code, KeyId, Timestamp};
use keystile_manage::{Caller, ExposureReport, Lack, Right};
use keystile_wire::{ExposureBreak, ExposureGroups, ExposureQuery, ExposureView, LoggedRequestView, Problem};

use crate::api::{Answer, json};
use crate::extract::{Member, PathId, Query};
use crate::state::App;

/// Show every request that was made with an API key since a moment, refused ones included: how many, by address, user agent and path, and
/// what of it is new compared with before. Also of a key that is deleted. For members.
#[utoipa::path(get, path = "/api-keys/{api_key_id}/exposure", tag = "leaks",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ExposureQuery), responses(
    (status = 200, body = ExposureView, description = "What was done."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`request_log_elsewhere`: the log is kept where this server does not read it."),
))]
pub(crate) async fn show_exposure(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    Query(query): Query<ExposureQuery>,
) -> Answer {
    Ok(json(StatusCode::OK, &exposure_of(&app, &caller, id, query.since).await?))
}

/// What was done with a key of the caller's tenant, up to the present, as the API has it.
pub async fn exposure_of(
    app: &App,
    caller: &Caller,
    id: KeyId,
    since: Option<Timestamp>,
) -> Answer<ExposureView> {
    let Exposed { report, is_written } = exposed(app, caller, id, since).await?;
    Ok(view(report, is_written))
}

/// What was done with a key.
pub struct Exposed {
    /// The report itself.
    pub report: ExposureReport,
    /// Whether all that is to be in it was written before.
    pub is_written: bool,
}

/// What was done with a key of the caller's tenant, up to the present.
pub async fn exposed(app: &App, caller: &Caller, id: KeyId, since: Option<Timestamp>) -> Answer<Exposed> {
    caller.require(Right::ReadLogs)?;
    // What is answered while it is written is not told of.
    let until = app.control.present();
    let is_written = app.requests.flush().await.is_ok();
    let report = app.control.exposure(caller, id, since, until).await?;
    Ok(Exposed { report, is_written })
}

fn view(report: ExposureReport, is_written: bool) -> ExposureView {
    let (total, span) = (report.exposure.total(), report.exposure.span);
    let [addresses, user_agents, paths] = report.exposure.groups(&report.before, ExposureGroups::MOST);
    let mut refused_by_code = report.exposure.codes;
    let allowed = refused_by_code.remove(Code::Allowed.as_str()).unwrap_or(0);
    ExposureView {
        key_id: report.key_id,
        since: report.since,
        until: report.until,
        complete: report.lacks.is_empty() && is_written,
        missing: report.missing,
        breaks: report.lacks.iter().filter_map(broken).collect(),
        log_from: report.log_from,
        compared_from: report.compared_from,
        counted_to: report.counted_to,
        total,
        allowed,
        refused: total - allowed,
        refused_by_code,
        first_at: span.map(|(first, _)| first),
        last_at: span.map(|(_, last)| last),
        addresses: addresses.into(),
        user_agents: user_agents.into(),
        paths: paths.into(),
        requests: report.latest.into_iter().map(LoggedRequestView::from).collect(),
    }
}

fn broken(lack: &Lack) -> Option<ExposureBreak> {
    match lack {
        Lack::EndedByForce(span) => Some((*span).into()),
        Lack::NotAllLogged(_)
        | Lack::TooOld(_)
        | Lack::OtherSettings(_)
        | Lack::Missing(_)
        | Lack::TooMany => None,
    }
}
