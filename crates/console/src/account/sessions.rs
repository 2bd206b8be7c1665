//! Ending sessions.

use axum::extract::State;
use keystile_core::SessionId;

use super::super::door;
use super::super::form::Form;
use super::super::page::go_to;
use super::super::visitor::Visitor;
use super::ACCOUNT;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;

/// Ends one; whoever ends the one they are in has signed out.
pub(super) async fn end(
    State(app): State<App>,
    visitor: Visitor,
    PathId(id): PathId<SessionId>,
    Form(_): Form,
) -> Answer {
    app.control.end_session(&visitor.present, id).await?;
    if id == visitor.present.session().id {
        return door::let_out(visitor.surroundings);
    }
    go_to(&format!("{ACCOUNT}?told=session-ended"), visitor.surroundings)
}

/// Ends all but the one that asks.
pub(super) async fn end_others(State(app): State<App>, visitor: Visitor, Form(_): Form) -> Answer {
    app.control.end_other_sessions(&visitor.present).await?;
    go_to(&format!("{ACCOUNT}?told=sessions-ended"), visitor.surroundings)
}
