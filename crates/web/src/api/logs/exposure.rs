//! What was done with a key that leaked.

use axum::extract::State;
use http::StatusCode;
use keystile_core::{Code, KeyId, Timestamp};
use keystile_manage::{Caller, ExposureReport, Right};
use keystile_wire::{ExposureGroups, ExposureQuery, ExposureView, LoggedRequestView};

use crate::api::{Answer, json};
use crate::extract::{Member, PathId, Query};
use crate::state::App;

/// Show every request that was made with an API key since a moment, refused ones included: how many, by address, user agent and path, and
/// what of it is new compared with before. Also of a key that is deleted. For members.
#[utoipa::path(get, path = "/api-keys/{api_key_id}/exposure", tag = "leaks",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ExposureQuery), responses(
    (status = 200, body = ExposureView, description = "What was done."),
))]
pub(crate) async fn show_exposure(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    Query(query): Query<ExposureQuery>,
) -> Answer {
    Ok(json(StatusCode::OK, &exposure_of(&app, &caller, id, query.since).await?))
}

/// What was done with a key of the caller's tenant, up to the present.
pub(crate) async fn exposure_of(
    app: &App,
    caller: &Caller,
    id: KeyId,
    since: Option<Timestamp>,
) -> Answer<ExposureView> {
    caller.require(Right::ReadLogs)?;
    let is_written = app.requests.flush().await.is_ok();
    Ok(view(app.control.exposure(caller, id, since).await?, is_written))
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
        complete: report.is_whole && report.missing == 0 && is_written,
        missing: report.missing,
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
