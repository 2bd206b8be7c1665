//! Giving a member another role, and putting one out.

use askama::Template;
use axum::extract::State;
use keystile_core::{Member, PersonId, Role};
use keystile_wire::PatchMembership;

use super::super::form::{Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::right_over;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "members/role.html")]
struct AskRole {
    shell: Shell,
    member: Member,
    /// As it was chosen.
    chosen: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "members/remove.html")]
struct AskToRemove {
    shell: Shell,
    member: Member,
    /// Whether they leave by themselves.
    leaves: bool,
    wrong: Wrong,
}

pub(super) async fn ask_role(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
) -> Answer {
    let member = app.control.member(&caller, id).await?;
    caller.require(right_over(&member))?;
    let chosen = member.membership.role.to_string();
    page(&AskRole { shell, member, chosen, wrong: Wrong::default() })
}

pub(super) async fn set_role(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
    Form(fields): Form,
) -> Answer {
    let member = app.control.member(&caller, id).await?;
    caller.require(right_over(&member))?;
    let request = PatchMembership { role: fields.text("role").to_owned() };
    let set = async {
        let role: Role = request.parse().map_err(ApiProblem::from)?;
        Ok(app.control.set_role(&caller, id, role).await?)
    };
    match set.await {
        Ok(_) => go_to(&format!("{}?told=role-changed", shell.path("members")), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&AskRole { shell, member, chosen: request.role, wrong })
        }
    }
}

pub(super) async fn ask_to_remove(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
) -> Answer {
    let member = app.control.member(&caller, id).await?;
    let leaves = member.email.as_str() == shell.email;
    if !leaves {
        caller.require(right_over(&member))?;
    }
    page(&AskToRemove { shell, member, leaves, wrong: Wrong::default() })
}

/// Puts a member out, or lets one leave, once their address was typed.
pub(super) async fn remove(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<PersonId>,
    Form(fields): Form,
) -> Answer {
    let member = app.control.member(&caller, id).await?;
    let leaves = member.email.as_str() == shell.email;
    if !leaves {
        caller.require(right_over(&member))?;
    }
    if !fields.text("email").eq_ignore_ascii_case(member.email.as_str()) {
        let wrong = Wrong::at("email", "must be the address above, so that nobody is removed by mistake");
        return unprocessable(&AskToRemove { shell, member, leaves, wrong });
    }
    match app.control.remove_member(&caller, id).await.map_err(ApiProblem::from) {
        Ok(()) if leaves => go_to("/console/account?told=left", shell.surroundings),
        Ok(()) => go_to(&format!("{}?told=member-removed", shell.path("members")), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&AskToRemove { shell, member, leaves, wrong })
        }
    }
}
