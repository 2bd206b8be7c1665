//! Making an installation one's own, with the link that the server wrote when it started.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::Secret;
use keystile_manage::{FirstOwner, Founded, Origin, Refused};
use keystile_wire::SetUp;

use super::super::cookie::{self, Way};
use super::super::door;
use super::super::form::{OpenForm, Wrong};
use super::super::page::page;
use super::super::{assets, parts};
use super::{NO_TOKEN, let_in, token, wrong};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::CameFrom;
use keystile_web::problem::ApiProblem;

const FIELDS: &[&str] = &["token", "email", "password", "tenant_name"];
const OTHER_START: &str = "This link is of another start of the server. The one that runs now has written its own to its \
    standard output.";
const SET_UP: &str =
    "Somebody was faster: this Keystile is set up already. Sign in, or ask whoever did to invite you.";

fn paused(seconds: u64) -> String {
    format!("Too many wrong links were tried. Wait {seconds} s, and send this again.")
}

#[derive(Template)]
#[template(path = "links/setup.html")]
struct SetupPage {
    theme: Option<&'static str>,
    /// Whether there is something to set up.
    is_open: bool,
    email: String,
    tenant_name: String,
    wrong: Wrong,
}

pub(super) async fn show(State(app): State<App>, headers: HeaderMap) -> Answer {
    page(&SetupPage {
        theme: cookie::theme(&headers),
        is_open: app.control.awaits_set_up(),
        email: String::new(),
        tenant_name: SetUp::TENANT_NAME.to_owned(),
        wrong: Wrong::default(),
    })
}

/// Makes the first person and their tenant, and signs them in.
pub(super) async fn set_up(
    State(app): State<App>,
    CameFrom(origin): CameFrom,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> Answer {
    let again = |broken: Wrong| {
        let whole = SetupPage {
            theme: cookie::theme(&headers),
            is_open: true,
            email: fields.text("email").to_owned(),
            tenant_name: fields.text("tenant_name").to_owned(),
            wrong: broken,
        };
        wrong(&headers, FIELDS, &whole.wrong, &whole)
    };
    let Some(way) = Way::of_form(&headers) else { return again(Wrong::altogether(door::NO_TLS)) };
    let Some(token) = token(&fields) else { return again(Wrong::at("token", NO_TOKEN)) };
    let request = SetUp {
        token,
        email: fields.text("email").to_owned(),
        password: fields.required_secret("password"),
        tenant_name: fields.filled("tenant_name"),
    };
    let (email, tenant_name) = match request.parse() {
        Ok(parsed) => parsed,
        Err(broken) => return again(Wrong::mendable(ApiProblem::invalid(broken))?),
    };
    let first = FirstOwner { email: email.clone(), password: request.password, tenant_name };
    let founded = match found(&app, request.token, first, origin.clone()).await {
        Ok(founded) => founded,
        Err(Refused::SetupToken) => return again(Wrong::altogether(OTHER_START)),
        Err(Refused::SetupPaused { seconds }) => return again(Wrong::altogether(paused(seconds))),
        Err(Refused::SetUpAlready) => return again(Wrong::altogether(SET_UP)),
        Err(other) => return again(Wrong::mendable(other.into())?),
    };
    let who = (email, fields.required_secret("password"));
    let_in(&app, None, who, (founded.tenant.id, "set-up"), (origin, &headers, way)).await
}

async fn found(app: &App, token: Secret, first: FirstOwner, origin: Origin) -> Result<Founded, Refused> {
    app.finish(|app: App| async move { app.control.set_up(&token, first, &origin).await }).await
}
