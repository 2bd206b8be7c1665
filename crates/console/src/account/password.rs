//! Changing the password.

use askama::Template;
use axum::extract::State;
use keystile_manage::Refused;

use super::super::form::{Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Frame;
use super::super::visitor::Own;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;

/// What is told of a password that is not the current one.
pub(super) const NOT_THE_PASSWORD: &str =
    "is not your password; after ten failed attempts, each further one has to wait a while";

#[derive(Template)]
#[template(path = "account/password.html")]
struct Ask {
    frame: Frame,
    wrong: Wrong,
}

pub(super) async fn ask(own: Own) -> Answer {
    page(&Ask { frame: own.frame, wrong: Wrong::default() })
}

/// Changes it, which ends all other sessions.
pub(super) async fn change(State(app): State<App>, own: Own, Form(fields): Form) -> Answer {
    let Own { present, frame, .. } = own;
    let (current, new) = (fields.required_secret("current_password"), fields.required_secret("new_password"));
    let work = |app: App| async move { app.control.change_password(&present, current, new).await };
    let wrong = match app.finish(work).await {
        Ok(()) => return go_to("/console/account?told=password-changed", frame.surroundings),
        Err(Refused::WrongCredentials) => Wrong::at("current_password", NOT_THE_PASSWORD),
        Err(other) => Wrong::mendable(other.into())?,
    };
    unprocessable(&Ask { frame, wrong })
}
