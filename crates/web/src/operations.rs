//! What is served to whoever operates the server, on a listener of its own: never the API.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use keystile_core::{NodeId, Timestamp};
use keystile_manage::Refused;
use keystile_measure::Exposition;
use keystile_store::Node;
use serde::Serialize;

use crate::api::health;
use crate::metrics;
use crate::problem::ApiProblem;
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

/// A node, as operators are shown it.
#[derive(Debug, Clone, Serialize)]
pub struct NodeView {
    /// Names this run of it.
    pub id: NodeId,
    /// What it is called.
    pub name: String,
    /// Where it serves.
    pub address: String,
    /// Which version it is.
    pub version: String,
    /// `running`, or `expired` when its lease is over by the clock of the database.
    pub state: &'static str,
    /// When it joined.
    pub started_at: Timestamp,
    /// How long its lease is.
    pub lease_millis: u64,
    /// What is left of it by the clock of the database; below nothing when it is over.
    pub lease_left_millis: i64,
    /// The last change that it had applied at its last renewal.
    pub revision: i64,
}

impl NodeView {
    /// Of a row.
    pub fn of(node: &Node) -> Self {
        Self {
            id: node.id,
            name: node.name.clone(),
            address: node.address.clone(),
            version: node.version.clone(),
            state: if node.has_lease() { "running" } else { "expired" },
            started_at: node.started_at,
            lease_millis: u64::try_from(node.lease.as_millis()).unwrap_or(u64::MAX),
            lease_left_millis: node.left_millis,
            revision: node.revision,
        }
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
        .route("/nodes", get(list_nodes))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Operations { app, more })
}

/// The nodes that serve from the database together; none where a server serves alone.
async fn list_nodes(State(app): State<App>) -> Result<Json<Vec<NodeView>>, ApiProblem> {
    let Some(cluster) = &app.cluster else { return Ok(Json(Vec::new())) };
    let nodes = cluster.list().await.map_err(Refused::from)?;
    Ok(Json(nodes.iter().map(NodeView::of).collect()))
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
