//! A link with which a member sets a new password.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::{Member, PersonId, Timestamp};
use keystile_manage::{ResetOffer, Right};
use zeroize::Zeroizing;

use super::super::once::{FormName, MakingForm, Sent, SentBefore, once};
use super::super::page::{page, page_with_secret};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::{link, right_over};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;

#[derive(Template)]
#[template(path = "members/reset.html")]
struct Ask {
    shell: Shell,
    form_name: FormName,
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
    page(&Ask { shell, form_name: FormName::new(&app)?, member })
}

/// Makes the link and shows it, this once.
pub(super) async fn offer(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
    headers: HeaderMap,
    MakingForm(_, asked): MakingForm,
) -> Answer {
    let member = app.control.member(&caller, id).await?;
    let asker = caller.asker(Right::ResetPasswords)?;
    let keeps = |_: &ResetOffer| String::new();
    let work = move |app: App| async move { Ok(app.control.offer_reset(&caller, id).await?) };
    match once(&app, asker, asked, keeps, work).await? {
        Sent::Now(ResetOffer { token, expires_at }) => {
            let link = link(&headers, "reset", &token);
            page_with_secret(&Show { shell, member, link, expires_at })
        }
        Sent::Before(_) => page(&offered_before(shell, &member)),
    }
}

fn offered_before(shell: Shell, member: &Member) -> SentBefore {
    let person_id = member.membership.person_id;
    SentBefore {
        made: format!("A link for {} was made.", member.email),
        lost: "It was shown in the first answer alone. If you have not copied it, make another; then the first stops working.",
        remedy: (shell.path(&format!("members/{person_id}/reset")), "Make another link"),
        place: (shell.path("members"), "To the members"),
        another: None,
        shell,
    }
}
