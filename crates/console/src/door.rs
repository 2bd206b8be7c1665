//! The way in and out.

use askama::Template;
use axum::extract::{Query, RawQuery, State};
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};
use keystile_core::{Secret, TenantId};
use keystile_manage::{Refused, ShownFactor, SignIn};
use serde::Deserialize;

use super::cookie::{self, Lasts, Way};
use super::form::{Fields, Form, OpenForm};
use super::page::{go_to, page, page_with};
use super::shell::{self, Surroundings};
use super::told::told;
use super::visitor::{Visitor, known};
use super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::CameFrom;
use keystile_web::problem::ApiProblem;

/// Where somebody wanted to go before they had to sign in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    next: String,
}

impl Wish {
    /// A page of the console: a link that leads elsewhere is not followed.
    fn path(&self) -> &str {
        if self.next.starts_with("/console/") && !self.next.contains('\\') {
            &self.next
        } else {
            super::CONSOLE
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    next: &'a str,
    email: &'a str,
    theme: Option<&'static str>,
    told: Option<&'static str>,
    answer: SignInAnswer,
}

/// What stands in the form about the last attempt.
#[derive(Template)]
#[template(path = "sign_in_answer.html")]
struct SignInAnswer {
    wrong: Option<String>,
    wants_code: bool,
}

impl SignInAnswer {
    const NOTHING: Self = Self { wrong: None, wants_code: false };
}

/// Goes on to the tenant that the session is for.
pub(super) async fn enter(State(app): State<App>, visitor: Visitor) -> Answer {
    let surroundings = visitor.surroundings;
    let path = match home(&app, visitor).await? {
        Some(id) => format!("/console/{id}"),
        None => "/console/account".to_owned(),
    };
    go_to(&path, surroundings)
}

/// The tenant that the session is for, or else the person's first.
pub(super) async fn home(app: &App, visitor: Visitor) -> Answer<Option<TenantId>> {
    let me = app.control.me(visitor.present).await?;
    Ok(shell::home(&me).map(|(tenant, _)| tenant.id))
}

/// The form to sign in with; whoever is signed in already goes on.
pub(super) async fn sign_in(
    State(app): State<App>,
    visitor: Result<Visitor, ApiProblem>,
    Query(wish): Query<Wish>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    if let Some(visitor) = known(visitor)? {
        return go_to(wish.path(), visitor.surroundings);
    }
    if app.control.awaits_set_up() {
        return go_to("/console/setup", Surroundings::of(&headers));
    }
    let (theme, told) = (cookie::theme(&headers), told(query.as_deref()));
    page(&SignInPage { next: wish.path(), email: "", theme, told, answer: SignInAnswer::NOTHING })
}

/// Signs in, and goes on to where somebody wanted to go.
pub(super) async fn try_sign_in(
    State(app): State<App>,
    before: Result<Visitor, ApiProblem>,
    CameFrom(origin): CameFrom,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> Answer {
    let before = known(before)?;
    let wish = Wish { next: fields.text("next").to_owned() };
    let Some(way) = Way::of_form(&headers) else { return again(&headers, &fields, &wish, NO_TLS) };
    let lasts = if fields.is_ticked("stay") { Lasts::WhileUsed } else { Lasts::UntilClosed };
    let attempt = SignIn {
        email: fields.text("email").parse().ok(),
        password: fields.required_secret("password"),
        tenant_id: None,
        factor: shown_factor(&fields),
        user_agent: headers.get(USER_AGENT).and_then(|name| name.to_str().ok()).map(str::to_owned),
    };
    let signed_in =
        app.finish(|app: App| async move { app.control.sign_in_browser(attempt, &origin).await }).await;
    match signed_in {
        Ok(token) => {
            let_in(&app, before, &token, (way, lasts), (wish.path(), Surroundings::of(&headers))).await
        }
        Err(Refused::SecondFactorMissing) => {
            let answer = SignInAnswer { wrong: None, wants_code: true };
            answered(&headers, &fields, &wish, StatusCode::OK, answer)
        }
        Err(Refused::WrongCredentials) => again(&headers, &fields, &wish, WRONG),
        Err(other) => Err(other.into()),
    }
}

const WRONG: &str =
    "Email, password or code is wrong. After ten failed attempts, each further one has to wait a while.";
/// What is told to whoever would send a password that others can read.
pub(super) const NO_TLS: &str = "This page was reached without TLS from another machine, where others could read your password \
    and session. Put a proxy with TLS in front of Keystile, or use the machine itself.";

/// Ends the session.
pub(super) async fn sign_out(State(app): State<App>, visitor: Visitor, Form(_): Form) -> Answer {
    let surroundings = visitor.surroundings;
    end(&app, visitor).await?;
    let_out(surroundings)
}

/// Ends the session of a visitor, unless that has happened meanwhile.
async fn end(app: &App, visitor: Visitor) -> Answer<()> {
    let id = visitor.present.session().id;
    match app.control.end_session(&visitor.present, id).await {
        Ok(()) | Err(Refused::NotFound(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Ends the session that a browser had before somebody else came. They come in even where that fails.
async fn leave(app: &App, before: Option<Visitor>) {
    if let Some(before) = before
        && end(app, before).await.is_err()
    {
        tracing::warn!("a session that somebody signed in over could not be ended");
    }
}

/// Takes the session away from the browser, and sends it to where one signs in.
pub(super) fn let_out(from: Surroundings) -> Answer {
    let_go("/console/sign-in?told=signed-out", from)
}

/// Sends somebody to `path`, to sign in by themselves; whoever was signed in before them no longer is.
pub(super) async fn let_pass(app: &App, before: Option<Visitor>, path: &str, from: Surroundings) -> Answer {
    if before.is_none() {
        return go_to(path, from);
    }
    leave(app, before).await;
    let_go(path, from)
}

fn let_go(path: &str, from: Surroundings) -> Answer {
    let mut response = go_to(path, from)?;
    for (name, value) in cookie::take_away() {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// Gives the browser the session and sends it on. The session that it carried before ends: whoever sits there has another
/// one now, and nobody would end that one by hand.
pub(super) async fn let_in(
    app: &App,
    before: Option<Visitor>,
    token: &Secret,
    (way, lasts): (Way, Lasts),
    (path, from): (&str, Surroundings),
) -> Answer {
    leave(app, before).await;
    let mut response = go_to(path, from)?;
    let (name, value) = cookie::give(token, way, lasts).ok_or_else(ApiProblem::internal)?;
    response.headers_mut().append(name, value);
    Ok(response)
}

/// The code of an authenticator, or for the loss of one, as a form holds it.
pub(super) fn shown_factor(fields: &Fields) -> Option<ShownFactor> {
    let code = fields.secret("code")?;
    // Codes of authenticators are six digits; those for their loss are longer.
    let is_short = fields.text("code").chars().filter(|letter| !letter.is_whitespace()).count() <= 8;
    Some(if is_short { ShownFactor::Code(code) } else { ShownFactor::RecoveryCode(code) })
}

fn again(headers: &HeaderMap, fields: &Fields, wish: &Wish, wrong: &str) -> Answer {
    let answer = SignInAnswer { wrong: Some(wrong.to_owned()), wants_code: fields.filled("code").is_some() };
    answered(headers, fields, wish, StatusCode::UNPROCESSABLE_ENTITY, answer)
}

/// With scripts only the answer is put into the form, where the password stays; without, the page is shown again.
fn answered(
    headers: &HeaderMap,
    fields: &Fields,
    wish: &Wish,
    status: StatusCode,
    answer: SignInAnswer,
) -> Answer {
    match Surroundings::of(headers) {
        Surroundings::Panel => page_with(status, &answer),
        Surroundings::Page => {
            let theme = cookie::theme(headers);
            let email = fields.text("email");
            page_with(status, &SignInPage { next: wish.path(), email, theme, told: None, answer })
        }
    }
}
