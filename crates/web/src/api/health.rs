//! Is it alive, is it ready.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{Answer, json};
use crate::problem::ApiProblem;
use crate::state::App;

/// The process runs and answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, description = "It does.")))]
pub(crate) async fn healthz() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// Requests can be served: the store answers.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses(
    (status = 200, description = "They can."),
    (status = 503, body = keystile_wire::Problem, content_type = "application/problem+json", description = "The store does not answer."),
))]
pub(crate) async fn readyz(State(app): State<App>) -> Answer {
    match app.store.ready().await {
        Ok(()) => Ok(json(StatusCode::OK, &serde_json::json!({ "status": "ready" }))),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store does not answer"))
        }
    }
}
