//! Background jobs.

mod csv;
mod result;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystile_core::{Job, JobId};
use keystile_manage::{Caller, JobOrder, JobQuery, MadeSecret, Right};
use keystile_wire::{
    CreateJob, JobAsked, JobCount, JobListQuery, JobResultQuery, JobSecret, JobSecrets, JobTask, JobView,
    KeyListQuery, Listing, Nothing, Problem,
};

use super::issuing::MAX_IMPORT_BODY;
use super::keys::filter;
use super::{Answer, json, listing, page_of, secret_json, with_location};
use crate::extract::{Member, PathId, Query};
use crate::once::{Making, MakingOptional, once};
use crate::problem::ApiProblem;
use crate::state::App;

pub use result::download;

/// Make a background job on many keys. It begins in a moment, and works on the keys that are there now and that the filter finds when
/// their turn comes, as whoever asks: what they lose the right to meanwhile is not done.
#[utoipa::path(post, path = "/jobs", tag = "jobs", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateJob, responses(
    (status = 202, body = JobView, description = "The job."),
    (status = 200, body = JobCount, description = "With `dry_run`: how many keys it would be about. What the job would be refused for, this is as well."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`job_keys_differ`: the filter finds other than the expected keys."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "`too_many_jobs`: 100 jobs of the tenant are not over. Or `rate_limited`, with the headers that tell of it."),
))]
pub(crate) async fn create_job(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateJob, MAX_IMPORT_BODY>,
) -> Answer {
    let JobAsked { task, expected, dry_run } = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ReadKeys)?, asked, move |app| async move {
        let order = ordered(&app, &caller, task).await?;
        if dry_run {
            let total = app.control.try_job(&caller, order, expected).await?;
            return Ok(json(StatusCode::OK, &JobCount { total }));
        }
        Ok(accepted(app.control.make_job(&caller, order, expected).await?))
    })
    .await
}

/// A job that was just made.
pub(crate) fn accepted(job: Job) -> Response {
    let path = format!("/api/v1/tenants/{}/jobs/{}", job.tenant_id, job.id);
    with_location(json(StatusCode::ACCEPTED, &JobView::from(job)), path)
}

/// What is asked for, with the moments that it means.
pub(crate) async fn ordered(app: &App, caller: &Caller, task: JobTask) -> Answer<JobOrder> {
    let (now, days) = (app.control.present(), app.control.rotation_days(caller).await?);
    let find = |query: KeyListQuery| filter(query, now, days);
    Ok(match task {
        JobTask::Import(imports) => JobOrder::Import(imports),
        JobTask::Export(query) => JobOrder::Export(find(query)?),
        JobTask::Revoke(query, reason) => JobOrder::Revoke { query: find(query)?, reason },
        JobTask::Disable(query) => JobOrder::Disable(find(query)?),
        JobTask::Enable(query) => JobOrder::Enable(find(query)?),
        JobTask::Rotate(query, overlap) => JobOrder::Rotate { query: find(query)?, overlap },
    })
}

/// List background jobs, newest first. An API key sees those that it has asked for.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(("tenant_id" = String, Path), JobListQuery), responses(
    (status = 200, body = Listing<JobView>, description = "A page of them."),
))]
pub(crate) async fn list_jobs(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<JobListQuery>,
) -> Answer {
    let (page, limit) = page_of::<JobId>(query.limit, query.cursor.as_deref())?;
    let wanted = JobQuery { state: query.state, kind: query.kind, actor: None };
    let jobs = app.control.jobs(&caller, &wanted, page).await?;
    Ok(json(StatusCode::OK, &listing(jobs, limit, |job| job.id.to_string(), JobView::from)))
}

/// Show one background job, with how far it has come.
#[utoipa::path(get, path = "/jobs/{job_id}", tag = "jobs",
    params(("tenant_id" = String, Path), ("job_id" = String, Path)), responses(
    (status = 200, body = JobView, description = "The job."),
))]
pub(crate) async fn show_job(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<JobId>,
) -> Answer {
    Ok(json(StatusCode::OK, &JobView::from(app.control.job(&caller, id).await?)))
}

/// Cancel a background job: at once, or when the step at hand, of at most 100 keys, is done. What was done stays.
#[utoipa::path(post, path = "/jobs/{job_id}/cancel", tag = "jobs",
    params(("tenant_id" = String, Path), ("job_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(
    (status = 200, body = JobView, description = "The job as it is now."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`job_over`: nothing is left to be cancelled."),
))]
pub(crate) async fn cancel_job(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<JobId>,
    MakingOptional(Nothing {}, asked): MakingOptional<Nothing>,
) -> Answer {
    once(&app, caller.asker(Right::ReadKeys)?, asked, move |app| async move {
        Ok(json(StatusCode::OK, &JobView::from(app.control.cancel_job(&caller, id).await?)))
    })
    .await
}

/// Let a background job go on that has failed, from where it stopped, still as whoever asked for it.
#[utoipa::path(post, path = "/jobs/{job_id}/retry", tag = "jobs",
    params(("tenant_id" = String, Path), ("job_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(
    (status = 200, body = JobView, description = "The job as it is now."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`job_not_failed`: it has not failed, or so long ago that what it needs is gone."),
))]
pub(crate) async fn retry_job(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<JobId>,
    MakingOptional(Nothing {}, asked): MakingOptional<Nothing>,
) -> Answer {
    once(&app, caller.asker(Right::ReadKeys)?, asked, move |app| async move {
        Ok(json(StatusCode::OK, &JobView::from(app.control.retry_job(&caller, id).await?)))
    })
    .await
}

/// Download the result of a background job that is over: of an export the keys, without their fingerprints; of an import what became
/// of each key. It is kept for seven days.
#[utoipa::path(get, path = "/jobs/{job_id}/result", tag = "jobs",
    params(("tenant_id" = String, Path), ("job_id" = String, Path), JobResultQuery), responses(
    (status = 200, description = "One JSON object a line; with `format=csv`, of an export, a table.", content(
        (String = "application/x-ndjson"),
        (String = "text/csv"),
    )),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`job_secrets`: the result holds secrets, which are taken with POST."),
))]
pub(crate) async fn show_job_result(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<JobId>,
    Query(query): Query<JobResultQuery>,
) -> Answer {
    download(&app, &caller, id, query.parse()?).await
}

/// Take the secrets that a job of rotation has made. Only whoever asked for the job can, within 24 hours and once: then they are
/// gone. With an `Idempotency-Key` the request can be repeated for as long if its answer was lost.
#[utoipa::path(post, path = "/jobs/{job_id}/result", tag = "jobs",
    params(("tenant_id" = String, Path), ("job_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(
    (status = 200, body = JobSecrets, description = "The secrets, shown this once."),
))]
pub(crate) async fn take_job_result(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<JobId>,
    MakingOptional(Nothing {}, asked): MakingOptional<Nothing>,
) -> Answer {
    once(&app, caller.asker(Right::ManageKeys)?, asked, move |app| async move {
        let made = app.control.take_job_secrets(&caller, id).await?;
        let one = |MadeSecret { key_id, successor_id, name, secret }| JobSecret {
            key_id,
            successor_id,
            name,
            secret,
        };
        Ok(secret_json(StatusCode::OK, &JobSecrets { secrets: made.into_iter().map(one).collect() }))
    })
    .await
}
