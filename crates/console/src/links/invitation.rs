//! Accepting an invitation.

use askama::Template;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use keystile_manage::{Acceptance, Bearer, Offered, Refused};

use super::super::cookie::{self, Way};
use super::super::door;
use super::super::form::{OpenForm, Wrong};
use super::super::page::{go_to, page, page_with};
use super::super::shell::Surroundings;
use super::super::visitor::{Visitor, known};
use super::super::{assets, parts};
use super::{NO_TOKEN, let_in, token, wrong};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::CameFrom;
use keystile_web::problem::ApiProblem;

const FIELDS: &[&str] = &["token", "password"];
const OVER: &str = "This invitation was accepted or withdrawn, or is older than a week. Ask whoever invited you for another.";

#[derive(Template)]
#[template(path = "links/invitation.html")]
struct InvitationPage {
    theme: Option<&'static str>,
    wrong: Wrong,
}

/// What is offered, and the part of the form that fits who looks.
#[derive(Template)]
#[template(path = "links/invitation_offer.html")]
struct Offer {
    /// None for a token that is good for nothing any more.
    offered: Option<Offered>,
    /// As whom the browser is signed in.
    signed_in: Option<String>,
    over: &'static str,
}

impl Offer {
    /// Whether whoever is invited has signed in.
    fn is_theirs(&self, offered: &Offered) -> bool {
        self.signed_in.as_deref() == Some(offered.email.as_str())
    }
}

/// The token is not known yet: the browser keeps it.
pub(super) async fn show(headers: HeaderMap) -> Answer {
    page(&InvitationPage { theme: cookie::theme(&headers), wrong: Wrong::default() })
}

/// What the token offers, for the page that has it.
pub(super) async fn look(
    State(app): State<App>,
    visitor: Result<Visitor, ApiProblem>,
    OpenForm(fields): OpenForm,
) -> Answer {
    let offered = match token(&fields) {
        Some(token) => app.control.offered(&token).await,
        None => Err(Refused::NotFound("invitation")),
    };
    let signed_in = known(visitor)?.map(|visitor| visitor.present.person().email.to_string());
    match offered {
        Ok(offered) => page(&Offer { offered: Some(offered), signed_in, over: OVER }),
        Err(Refused::NotFound(_)) => {
            let over = if token(&fields).is_some() { OVER } else { "" };
            page_with(StatusCode::NOT_FOUND, &Offer { offered: None, signed_in, over })
        }
        Err(other) => Err(other.into()),
    }
}

/// Makes whoever has the link a member: as who is signed in, when they are who is invited; else with the password that
/// somebody new chooses, or somebody known has.
pub(super) async fn accept(
    State(app): State<App>,
    visitor: Result<Visitor, ApiProblem>,
    CameFrom(origin): CameFrom,
    headers: HeaderMap,
    OpenForm(fields): OpenForm,
) -> Answer {
    let again = |broken: Wrong| {
        let whole = InvitationPage { theme: cookie::theme(&headers), wrong: broken };
        wrong(&headers, FIELDS, &whole.wrong, &whole)
    };
    let Some(way) = Way::of_form(&headers) else { return again(Wrong::altogether(door::NO_TLS)) };
    let Some(token) = token(&fields) else { return again(Wrong::at("token", NO_TOKEN)) };
    let before = known(visitor)?;
    let bearer = before.as_ref().map(|visitor| Bearer::Person(visitor.present.signed_in()));
    let acceptance = Acceptance { token, password: fields.secret("password"), bearer };
    let from = origin.clone();
    let work = |app: App| async move { app.control.accept_invitation(acceptance, &from).await };
    let (membership, email) = match app.finish(work).await {
        Ok(joined) => joined,
        Err(Refused::NotFound(_)) => return again(Wrong::altogether(OVER)),
        Err(Refused::WrongCredentials) => return again(Wrong::at("password", NOT_THEIRS)),
        Err(other) => return again(Wrong::mendable(other.into())?),
    };
    let tenant_id = membership.tenant_id;
    match fields.secret("password") {
        Some(password) => {
            let_in(&app, before, (email, password), (tenant_id, "joined"), (origin, &headers, way)).await
        }
        None => go_to(&format!("/console/{tenant_id}?told=joined"), Surroundings::of(&headers)),
    }
}

/// Whether somebody has the address is told to nobody but who knows their password.
const NOT_THEIRS: &str = "cannot be used: somebody who has an account with this address enters its password; after ten \
    failed attempts, each further one has to wait a while";
