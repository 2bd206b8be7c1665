//! Who is in a tenant, and who is invited.

mod change;
mod invitations;
mod list;
mod reset;

use http::HeaderMap;
use http::header::ORIGIN;
use keystile_core::{Member, Role, Secret};
use keystile_manage::Right;
use zeroize::Zeroizing;

use super::shell::Shell;
use super::table::{Pages, get, post};
use super::words::{self, Word};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/members", get(list::list))
        .route("/members/invitations", get(invitations::list))
        .route("/members/invite", get(invitations::ask).post(invitations::invite))
        .route("/members/invitations/{invitation_id}/withdraw", post(invitations::withdraw))
        .route("/members/{person_id}/role", get(change::ask_role).post(change::set_role))
        .route("/members/{person_id}/remove", get(change::ask_to_remove).post(change::remove))
        .route("/members/{person_id}/reset", get(reset::ask).post(reset::offer))
}

/// The roles that somebody with the role of the shell may give, strongest first.
fn roles_to_give(shell: &Shell) -> impl Iterator<Item = (Role, Word)> {
    let most = shell.role;
    Role::ALL.iter().rev().filter(move |role| **role <= most).map(|role| (*role, words::role(*role)))
}

/// What it takes to change a member; owners are the owners' to change.
fn right_over(member: &Member) -> Right {
    if member.membership.role == Role::Owner { Right::ManageOwners } else { Right::ManageMembers }
}

/// The whole link to hand over. It begins with where the browser reaches this server, which it tells with every form;
/// should it not, whoever hands the link over has to add that.
fn link(headers: &HeaderMap, page: &str, token: &Secret) -> Zeroizing<String> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let origin = if origin.starts_with("http") { origin } else { "" };
    Zeroizing::new(format!("{origin}/console/{page}#{}", token.expose()))
}
