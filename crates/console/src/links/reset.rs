//! Setting a new password with a link that an admin or the operator made.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_manage::Refused;

use super::super::cookie::{self, Way};
use super::super::door;
use super::super::form::{OpenForm, Wrong};
use super::super::page::page;
use super::super::shell::Surroundings;
use super::super::visitor::{Visitor, known};
use super::super::{assets, parts};
use super::{NO_TOKEN, token, wrong};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::CameFrom;
use keystile_web::problem::ApiProblem;

const FIELDS: &[&str] = &["token", "new_password"];
const OVER: &str = "This link was used, replaced by a newer one, or is older than a day. Ask whoever gave it to you for another.";

#[derive(Template)]
#[template(path = "links/reset.html")]
struct ResetPage {
    theme: Option<&'static str>,
    wrong: Wrong,
}

pub(super) async fn show(headers: HeaderMap) -> Answer {
    page(&ResetPage { theme: cookie::theme(&headers), wrong: Wrong::default() })
}

/// Sets it, which ends all sessions of the person; they sign in with it. Whoever else was signed in there no longer is, as after
/// joining: the next to use that browser is the one with the link.
pub(super) async fn set(
    State(app): State<App>,
    visitor: Result<Visitor, ApiProblem>,
    CameFrom(origin): CameFrom,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> Answer {
    let again = |broken: Wrong| {
        let whole = ResetPage { theme: cookie::theme(&headers), wrong: broken };
        wrong(&headers, FIELDS, &whole.wrong, &whole)
    };
    if Way::of_form(&headers).is_none() {
        return again(Wrong::altogether(door::NO_TLS));
    }
    let Some(token) = token(&fields) else { return again(Wrong::at("token", NO_TOKEN)) };
    let (before, new) = (known(visitor)?, fields.required_secret("new_password"));
    match app.control.reset_password(&token, new, &origin).await {
        Ok(()) => {
            let path = "/console/sign-in?told=password-set";
            door::let_pass(&app, before, path, Surroundings::of(&headers)).await
        }
        Err(Refused::ResetToken) => again(Wrong::altogether(OVER)),
        Err(other) => again(Wrong::mendable(other.into())?),
    }
}
