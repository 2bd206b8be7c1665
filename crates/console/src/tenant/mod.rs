//! Making a tenant, and its settings.

mod new;
mod settings;

use super::table::{Pages, get};

/// Pages that stand beside those of tenants.
pub(super) fn routes() -> Pages {
    Pages::new().route("/tenants/new", get(new::ask).post(new::make))
}

/// Pages of one tenant.
pub(super) fn routes_in_tenant() -> Pages {
    Pages::new().route("/settings", get(settings::show).post(settings::save))
}
