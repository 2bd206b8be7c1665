//! Making a tenant, and its settings.

mod new;
mod settings;

use axum::Router;
use axum::routing::get;

use crate::state::App;

/// Pages that stand beside those of tenants.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/tenants/new", get(new::ask).post(new::make))
}

/// Pages of one tenant.
pub(super) fn routes_in_tenant() -> Router<App> {
    Router::new().route("/settings", get(settings::show).post(settings::save))
}
