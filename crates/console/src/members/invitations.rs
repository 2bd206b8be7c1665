//! Inviting people, and taking invitations back.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::{Invitation, InvitationId};
use keystile_manage::{Invited, Right};
use keystile_wire::{CreateInvitation, PageQuery};
use zeroize::Zeroizing;

use super::super::form::{Form, Wrong};
use super::super::once::{FormName, MakingForm, Sent, SentBefore, once};
use super::super::page::{go_to, page, page_with_secret, unprocessable};
use super::super::shell::Shell;
use super::super::sought::{Asked, Sought};
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::link;
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of};
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "members/invitations.html")]
struct List {
    shell: Shell,
    invitations: Vec<Invitation>,
    asked: Asked,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "members/invite.html")]
struct Ask {
    shell: Shell,
    form_name: FormName,
    request: CreateInvitation,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "members/invite_link.html")]
struct Show {
    shell: Shell,
    invitation: Invitation,
    link: Zeroizing<String>,
}

/// A page of the open invitations.
pub(super) async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<PageQuery>,
) -> Answer {
    let (which, limit) = page_of::<InvitationId>(query.limit, query.cursor.as_deref())?;
    let invitations = app.control.invitations(&caller, which).await?;
    let listed = listing(invitations, limit, |invitation| invitation.id.to_string(), |invitation| invitation);
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, invitations: listed.data, asked, next })
}

pub(super) async fn ask(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    caller.require(Right::ManageMembers)?;
    let request = CreateInvitation { role: "developer".to_owned(), ..CreateInvitation::default() };
    page(&Ask { shell, form_name: FormName::new(&app)?, request, wrong: Wrong::default() })
}

/// Makes the invitation and shows its link, this once.
pub(super) async fn invite(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    headers: HeaderMap,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageMembers)?;
    let request =
        CreateInvitation { email: fields.text("email").to_owned(), role: fields.text("role").to_owned() };
    let invite = async {
        let (email, role) = request.parse().map_err(ApiProblem::invalid)?;
        let asker = caller.asker(Right::ManageMembers)?;
        let keeps = |invited: &Invited| invited.invitation.email.to_string();
        let work = move |app: App| async move { Ok(app.control.invite(&caller, email, role).await?) };
        once(&app, asker, asked, keeps, work).await
    };
    match invite.await {
        Ok(Sent::Now(Invited { invitation, token })) => {
            let link = link(&headers, "invitation", &token);
            page_with_secret(&Show { shell, invitation, link })
        }
        Ok(Sent::Before(email)) => page(&invited_before(shell, &email)),
        Err(problem) => {
            let (wrong, form_name) = (Wrong::mendable(problem)?, FormName::new(&app)?);
            unprocessable(&Ask { shell, form_name, request, wrong })
        }
    }
}

fn invited_before(shell: Shell, email: &str) -> SentBefore {
    SentBefore {
        made: format!("{email} was invited."),
        lost: "The link was shown in the first answer alone. If you have not copied it, withdraw the invitation and make another.",
        remedy: (shell.path("members/invitations"), "To the invitations"),
        place: (shell.path("members"), "To the members"),
        another: Some((shell.path("members/invite"), "Invite somebody else")),
        shell,
    }
}

/// Takes an invitation back. Whoever does so by mistake makes another.
pub(super) async fn withdraw(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<InvitationId>,
    Form(_): Form,
) -> Answer {
    app.control.revoke_invitation(&caller, id).await?;
    let path = shell.path("members/invitations");
    go_to(&format!("{path}?told=invitation-withdrawn"), shell.surroundings)
}
