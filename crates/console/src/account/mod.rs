//! The account of whoever is signed in: what they see of themselves, and what they change.

mod device;
mod factor;
mod password;
mod qr;
mod sessions;

use askama::Template;
use axum::extract::State;
use keystile_core::{Role, SessionId, Tenant};
use keystile_wire::SessionView;

use self::device::device;
use super::page::page;
use super::shell::Frame;
use super::table::{Pages, get, post};
use super::visitor::Own;
use super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;

/// Where the account is shown.
const ACCOUNT: &str = "/console/account";

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/account", get(show))
        .route("/account/password", get(password::ask).post(password::change))
        .route("/account/second-factor", get(factor::ask).post(factor::enrol))
        .route("/account/second-factor/confirm", post(factor::confirm))
        .route("/account/second-factor/remove", get(factor::ask_to_remove).post(factor::remove))
        .route("/account/sessions/end-others", post(sessions::end_others))
        .route("/account/sessions/{session_id}/end", post(sessions::end))
}

#[derive(Template)]
#[template(path = "account/show.html")]
struct Show {
    frame: Frame,
    since: keystile_core::Timestamp,
    has_factor: bool,
    /// Whether this session has shown it.
    has_shown_factor: bool,
    tenants: Vec<(Tenant, Role)>,
    sessions: Vec<SessionView>,
}

impl Show {
    fn is_shut_out(&self, tenant: &Tenant) -> bool {
        tenant.settings.mfa_required && !self.has_shown_factor
    }
}

/// Everything at a glance.
async fn show(State(app): State<App>, own: Own) -> Answer {
    let Own { present, me, frame, .. } = own;
    let current: SessionId = present.session().id;
    let sessions = app.control.sessions(&present).await?;
    let sessions = sessions.into_iter().map(|session| SessionView::of(session, current)).collect();
    page(&Show {
        frame,
        since: me.person.created_at,
        has_factor: me.second_factor,
        has_shown_factor: me.session.second_factor,
        tenants: me.tenants,
        sessions,
    })
}
