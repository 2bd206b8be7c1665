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

/// Requests can be served: the store answers, or did within the last second, and the server is not about to stop.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses(
    (status = 200, description = "They can."),
    (status = 503, body = keystile_wire::Problem, content_type = "application/problem+json", description = "`unavailable`: the store does not answer; `stopping`: send requests elsewhere, the server is about to stop."),
))]
pub(crate) async fn readyz(State(app): State<App>) -> Answer {
    if app.readiness.has_ended() {
        return Err(ApiProblem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the server is about to stop",
        ));
    }
    if app.readiness.of(is_ready(&app)).await {
        return Ok(json(StatusCode::OK, &serde_json::json!({ "status": "ready" })));
    }
    Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store does not answer"))
}

async fn is_ready(app: &App) -> bool {
    let ready = app.store.ready().await;
    if let Err(error) = &ready {
        tracing::warn!(error = error as &dyn std::error::Error, "not ready");
    }
    ready.is_ok()
}
