//! Pages that links lead to which somebody handed over, or the server wrote: what stands behind the `#` is a token, which
//! the browser does not send. A script puts it into the form, and the form sends it.
//!
//! As the link is gone once a form was answered with a page, scripts put only the answer into the page that is there.

mod invitation;
mod reset;
mod setup;

use askama::Template;
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};
use keystile_core::{Email, Secret, TenantId};
use keystile_manage::{Origin, Refused, SignIn};

use super::cookie::{Lasts, Way};
use super::door;
use super::form::{Fields, Wrong};
use super::page::page_with;
use super::parts;
use super::shell::Surroundings;
use super::table::{Pages, get, post};
use super::visitor::Visitor;
use keystile_web::App;
use keystile_web::api::Answer;

/// What is told of a form without a token.
const NO_TOKEN: &str = "is missing: open the whole link, with what stands behind its #";

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/invitation", get(invitation::show).post(invitation::accept))
        .route("/invitation/look", post(invitation::look))
        .route("/reset", get(reset::show).post(reset::set))
        .route("/setup", get(setup::show).post(setup::set_up))
}

/// What is wrong, for a page that stays where it is.
#[derive(Template)]
#[template(path = "links/wrong.html")]
struct Answered<'a> {
    wrong: &'a Wrong,
    /// The fields of the form, each of which has a place for what is wrong with it.
    fields: &'static [&'static str],
}

/// Answers a form with what is wrong: with scripts into the page, else with `whole`, the page.
fn wrong(
    headers: &HeaderMap,
    fields: &'static [&'static str],
    wrong: &Wrong,
    whole: &impl Template,
) -> Answer {
    match Surroundings::of(headers) {
        Surroundings::Panel => page_with(StatusCode::UNPROCESSABLE_ENTITY, &Answered { wrong, fields }),
        Surroundings::Page => page_with(StatusCode::UNPROCESSABLE_ENTITY, whole),
    }
}

fn token(fields: &Fields) -> Option<Secret> {
    fields.filled("token").map(Secret::new)
}

/// Signs in whoever has just chosen, or proven, their password, and sends them to a tenant. Whoever has a second factor
/// signs in by themselves.
async fn let_in(
    app: &App,
    before: Option<Visitor>,
    (email, password): (Email, Secret),
    (tenant_id, word): (TenantId, &'static str),
    (origin, headers, way): (Origin, &HeaderMap, Way),
) -> Answer {
    let from = Surroundings::of(headers);
    let user_agent = headers.get(USER_AGENT).and_then(|name| name.to_str().ok()).map(str::to_owned);
    let attempt =
        SignIn { email: Some(email), password, tenant_id: Some(tenant_id), factor: None, user_agent };
    match app.finish(|app: App| async move { app.control.sign_in_browser(attempt, &origin).await }).await {
        Ok(token) => {
            let path = format!("/console/{tenant_id}?told={word}");
            door::let_in(app, before, &token, (way, Lasts::UntilClosed), (path.as_str(), from)).await
        }
        Err(Refused::SecondFactorMissing | Refused::WrongCredentials) => {
            let path = format!("/console/sign-in?told={word}-sign-in&next=%2Fconsole%2F{tenant_id}");
            door::let_pass(app, before, &path, from).await
        }
        Err(other) => Err(other.into()),
    }
}
