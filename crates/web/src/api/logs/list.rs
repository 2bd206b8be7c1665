//! Showing requests of the log.

use axum::extract::State;
use http::StatusCode;
use keystile_core::{Invalid, LogId};
use keystile_manage::Right;
use keystile_wire::{Listing, LogListQuery, LoggedRequestView, Problem};

use crate::api::{Answer, json, page_size};
use crate::extract::{Member, PathId, Query};
use crate::state::App;

/// List the requests of the log, the latest first: decisions about keys and calls of the API, refused ones included. For members. A
/// filter is applied to some thousand requests at a time, so that a page may have fewer than asked for, or none, and be followed by
/// others: read on until `next_cursor` is null.
#[utoipa::path(get, path = "/logs", tag = "logs", params(("tenant_id" = String, Path), LogListQuery), responses(
    (status = 200, body = Listing<LoggedRequestView>, description = "A page of them."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`request_log_elsewhere`: the log is kept where this server does not read it."),
))]
pub(crate) async fn list_logs(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<LogListQuery>,
) -> Answer {
    caller.require(Right::ReadLogs)?;
    let (filter, limit) = (query.filter()?, page_size(query.limit)?);
    let after = query.cursor.as_deref().map(str::parse::<LogId>).transpose();
    let after = after.map_err(|_| Invalid::new("cursor", "must be the `next_cursor` of a page"))?;
    // What is only in memory belongs to the log. If it cannot be written now, the rest is shown all the same.
    let _written = app.requests.flush().await;
    let page = app.control.logged_requests(&caller, filter, after, limit.into()).await?;
    let data = page.requests.into_iter().map(LoggedRequestView::from).collect();
    let next_cursor = page.next.map(|id| id.to_string());
    Ok(json(StatusCode::OK, &Listing { data, next_cursor }))
}

/// Show one request of the log. For members.
#[utoipa::path(get, path = "/logs/{log_id}", tag = "logs",
    params(("tenant_id" = String, Path), ("log_id" = String, Path)), responses(
    (status = 200, body = LoggedRequestView, description = "The request."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`request_log_elsewhere`: the log is kept where this server does not read it."),
))]
pub(crate) async fn show_log(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<LogId>,
) -> Answer {
    let request = app.control.logged_request(&caller, id).await?;
    Ok(json(StatusCode::OK, &LoggedRequestView::from(request)))
}
