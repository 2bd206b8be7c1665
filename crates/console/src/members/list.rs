//! The list of members.

use askama::Template;
use axum::extract::State;
use keystile_core::{Email, Member, PersonId};
use keystile_wire::MemberListQuery;

use super::super::page::page;
use super::super::shell::Shell;
use super::super::sought::{Asked, Sought};
use super::super::visitor::Inside;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of};

#[derive(Template)]
#[template(path = "members/list.html")]
struct List {
    shell: Shell,
    members: Vec<Member>,
    asked: Asked,
    /// What is wrong with the address that was searched for.
    wrong: Option<String>,
    next: Option<String>,
}

impl List {
    fn is_oneself(&self, member: &Member) -> bool {
        member.email.as_str() == self.shell.email
    }

    /// Whether the role of whoever looks lets them change this member; owners are the owners' to change.
    fn may_change(&self, member: &Member) -> bool {
        self.shell.may_administer() && member.membership.role <= self.shell.role
    }
}

/// A page of the tenant's members.
pub(super) async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<MemberListQuery>,
) -> Answer {
    let (which, limit) = page_of::<PersonId>(query.limit, query.cursor.as_deref())?;
    let email: Option<Email> = match query.email() {
        Ok(email) => email,
        Err(broken) => {
            let wrong = Some(broken.rule.into_owned());
            return page(&List { shell, members: Vec::new(), asked, wrong, next: None });
        }
    };
    let members = app.control.members(&caller, email.as_ref(), which).await?;
    let listed = listing(members, limit, |member| member.membership.person_id.to_string(), |member| member);
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, members: listed.data, asked, wrong: None, next })
}
