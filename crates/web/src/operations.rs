//! What is served to whoever operates the server, on a listener of its own: never the API.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use keystile_measure::Exposition;

use crate::api::health;
use crate::metrics;
use crate::router::{no_such_method, no_such_path};
use crate::state::App;

/// Where the page of metrics is.
pub(crate) const METRICS_PATH: &str = "/metrics";

/// Writes what this crate cannot reach to the page of metrics, such as of the process.
#[derive(Clone)]
pub struct MoreMetrics(Arc<dyn Fn(&mut Exposition) + Send + Sync>);

impl MoreMetrics {
    /// What `write` writes each time.
    pub fn new(write: impl Fn(&mut Exposition) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }
}

impl fmt::Debug for MoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MoreMetrics")
    }
}

#[derive(Clone)]
struct Operations {
    app: App,
    more: MoreMetrics,
}

impl FromRef<Operations> for App {
    fn from_ref(operations: &Operations) -> Self {
        operations.app.clone()
    }
}

/// Everything on the operations listener.
pub(crate) fn router(app: App, more: MoreMetrics) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route(METRICS_PATH, get(show_metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Operations { app, more })
}

async fn show_metrics(State(Operations { app, more }): State<Operations>) -> Response {
    let mut page = Exposition::default();
    metrics::write(&app, &mut page);
    metrics::write_jobs(&app, &mut page).await;
    (more.0)(&mut page);
    let mut response = page.into_text().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(keystile_measure::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
