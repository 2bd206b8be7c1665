//! A link with which a member sets a new password.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::{Member, PersonId, Timestamp};
use keystile_manage::Right;
use zeroize::Zeroizing;

use super::super::form::Form;
use super::super::page::{page, page_with_secret};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::{link, right_over};
use crate::api::Answer;
use crate::extract::PathId;
use crate::state::App;

#[derive(Template)]
#[template(path = "members/reset.html")]
struct Ask {
    shell: Shell,
    member: Member,
}

#[derive(Template)]
#[template(path = "members/reset_link.html")]
struct Show {
    shell: Shell,
    member: Member,
    link: Zeroizing<String>,
    expires_at: Timestamp,
}

pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
) -> Answer {
    caller.require(Right::ResetPasswords)?;
    let member = app.control.member(&caller, id).await?;
    caller.require(right_over(&member))?;
    page(&Ask { shell, member })
}

/// Makes the link and shows it, this once.
pub(super) async fn offer(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
    headers: HeaderMap,
    Form(_): Form,
) -> Answer {
    let member = app.control.member(&caller, id).await?;
    let offer = app.control.offer_reset(&caller, id).await?;
    let link = link(&headers, "reset", &offer.token);
    page_with_secret(&Show { shell, member, link, expires_at: offer.expires_at })
}
