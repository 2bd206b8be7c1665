//! Making an installation one's own.

use axum::extract::State;
use http::StatusCode;
use keystile_manage::FirstOwner;
use keystile_wire::{Problem, SetUp, SetUpAnswer};

use super::{Answer, json};
use crate::extract::{CameFrom, EarlyJson, Json};
use crate::problem::ApiProblem;
use crate::state::App;

/// Make the first person and the tenant they own, with the token that the server wrote when it started and nobody was there.
/// It works once, and until the server stops.
#[utoipa::path(post, path = "/api/v1/setup", tag = "operations", security(()), request_body = SetUp, responses(
    (status = 201, body = SetUpAnswer, description = "They are there; sign in."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "`setup_token_invalid`."),
    (status = 410, body = Problem, content_type = "application/problem+json", description = "`set_up_already`: there is somebody."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "`setup_paused`: ten wrong tokens were tried, or more; see `Retry-After`."),
))]
pub(crate) async fn set_up(
    State(app): State<App>,
    CameFrom(origin): CameFrom,
    Json(request): EarlyJson<SetUp>,
) -> Answer {
    let (email, tenant_name) = request.parse().map_err(ApiProblem::invalid)?;
    let SetUp { token, password, .. } = request;
    let first = FirstOwner { email, password, tenant_name };
    let founded =
        app.finish(|app: App| async move { app.control.set_up(&token, first, &origin).await }).await?;
    let answer = SetUpAnswer {
        person_id: founded.owner,
        tenant_id: founded.tenant.id,
        application_id: founded.application.id,
    };
    Ok(json(StatusCode::CREATED, &answer))
}
