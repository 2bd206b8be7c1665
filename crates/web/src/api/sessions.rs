//! What a person can see of themselves, and the end of sessions.

use axum::extract::State;
use http::StatusCode;
use keystile_core::SessionId;
use keystile_wire::{Listing, Logout, MeView, MyTenant, SessionView};

use super::{Answer, json};
use crate::extract::{Here, OptionalJson, PathId};
use crate::state::App;

/// End this session, or all of yours. No token of it works any more.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "sessions", request_body = Option<Logout>, responses(
    (status = 204, description = "It has ended."),
))]
pub(crate) async fn logout(
    State(app): State<App>,
    Here(present): Here,
    OptionalJson(request): OptionalJson<Logout>,
) -> Answer<StatusCode> {
    if request.everywhere {
        app.control.end_sessions(&present).await?;
    } else {
        app.control.end_session(&present, present.session().id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who you are, in which session, and in which tenants.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "sessions", responses(
    (status = 200, body = MeView, description = "You."),
))]
pub(crate) async fn show_me(State(app): State<App>, Here(present): Here) -> Answer {
    let me = app.control.me(present).await?;
    let view = MeView {
        id: me.person.id,
        email: me.person.email,
        created_at: me.person.created_at,
        second_factor: me.second_factor,
        session: SessionView::of(me.session.clone(), me.session.id),
        tenants: me.tenants.into_iter().map(|(tenant, role)| MyTenant::of(tenant, role)).collect(),
    };
    Ok(json(StatusCode::OK, &view))
}

/// List your sessions that last, newest first.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "sessions", responses(
    (status = 200, body = Listing<SessionView>, description = "All of them: at most 100, as signing in once more ends the one that was refreshed longest ago."),
))]
pub(crate) async fn list_sessions(State(app): State<App>, Here(present): Here) -> Answer {
    let sessions = app.control.sessions(&present).await?;
    let current = present.session().id;
    let data = sessions.into_iter().map(|session| SessionView::of(session, current)).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor: None }))
}

/// End one of your sessions.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{session_id}", tag = "sessions", params(("session_id" = String, Path)), responses(
    (status = 204, description = "It has ended."),
))]
pub(crate) async fn end_session(
    State(app): State<App>,
    Here(present): Here,
    PathId(id): PathId<SessionId>,
) -> Answer<StatusCode> {
    app.control.end_session(&present, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
