//! `keystile members`: who is in a tenant, and as what.

use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Subcommand};
use keystile_core::{Clock, Email, Invalid, PersonId, Role, TenantId};
use keystile_wire::{MemberListQuery, MemberView, MembershipView, PatchMembership};
use serde_json::json;

use super::context::{Common, Context, Pages};
use super::output::{Form, Report};
use super::table::{fields, table};
use super::words::role;
use crate::failure::Failure;

/// Lists members, checks who is one, changes roles, resets passwords and puts members out, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile members list
  keystile members check ada@example.com && echo 'is a member'
  keystile members set-role ada@example.com admin

Exit status: 0 done or a member, 1 `members check` found none, 2 it could not
be done, and standard error tells why.")]
pub(crate) struct MembersCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Check(Check),
    SetRole(SetRole),
    ResetPassword(ResetPassword),
    Remove(Remove),
}

/// Lists members, the latest to sign up first.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    pages: Pages,
}

/// Asks whether somebody is a member, and as what. Also with an API key that holds `keystile.memberships:read`.
#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    who: Who,
}

/// Gives a member another role, from the next request on. For admins; owners are made and demoted by owners.
#[derive(Debug, Args)]
struct SetRole {
    #[command(flatten)]
    who: Who,
    /// What they may do from now on.
    #[arg(value_parser = role())]
    role: Role,
}

/// Makes a token with which a member sets their password anew, once, within 24 hours, and prints it. For admins of all
/// the tenants that the member is in.
#[derive(Debug, Args)]
struct ResetPassword {
    #[command(flatten)]
    who: Who,
}

/// Puts a member out, or lets you leave, from the next request on. What they made stays.
#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
struct Who {
    /// Email address, or id as `keystile members list` shows it.
    #[arg(value_name = "EMAIL|PERSON_ID")]
    person: Named,
}

/// How somebody is named.
#[derive(Debug, Clone)]
enum Named {
    Id(PersonId),
    Email(Email),
}

impl FromStr for Named {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.contains('@') { text.parse().map(Self::Email) } else { text.parse().map(Self::Id) }
    }
}

/// Runs `keystile members …`.
pub(crate) async fn run(command: MembersCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Check(check) => check.run(&context).await,
        Action::SetRole(set) => set.run(&context).await,
        Action::ResetPassword(reset) => reset.run(&context).await,
        Action::Remove(remove) => remove.run(&context).await,
    };
    context.print(report).await
}

impl Who {
    /// The member, if they are one.
    async fn find(&self, context: &Context, tenant: TenantId) -> Result<Option<MemberView>, Failure> {
        let client = &context.session.client;
        match &self.person {
            Named::Id(id) => Ok(client.member(tenant, *id).await?),
            Named::Email(email) => {
                let email = Some(email.to_string());
                let query = MemberListQuery { email, ..MemberListQuery::default() };
                Ok(client.members(tenant, &query).await?.data.into_iter().next())
            }
        }
    }

    async fn id(&self, context: &Context, tenant: TenantId) -> Result<PersonId, Failure> {
        if let Named::Id(id) = self.person {
            return Ok(id);
        }
        let member = self.find(context, tenant).await?;
        let member = member.ok_or_else(|| {
            Failure::new("nobody with this address is a member; name somebody who was disabled by their id")
        })?;
        Ok(member.membership.person_id)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let page = async |limit, cursor| {
            client.members(tenant, &MemberListQuery { limit, cursor, email: None }).await
        };
        context.list(&self.pages.read(page).await?, rows, "There is nobody.")
    }
}

impl Check {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        match self.who.find(context, tenant).await? {
            Some(member) => context.record(&member, sheet, None),
            None => {
                let nobody = json!({ "is_member": false });
                Ok(Report::done(context.form(), &nobody, "Not a member.")?.refused())
            }
        }
    }
}

impl SetRole {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let id = self.who.id(context, tenant).await?;
        let request = PatchMembership { role: self.role.to_string() };
        let place = context.session.client.set_role(tenant, id, &request).await?;
        context.record(&place, place_sheet, Some("The new role holds from the next request on."))
    }
}

impl ResetPassword {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let offer = client.offer_reset(tenant, self.who.id(context, tenant).await?).await?;
        let (until, url) = (offer.expires_at, client.base_url());
        let report = match context.form() {
            Form::Json => Report::json(&offer)?,
            Form::Text => Report::default().data(offer.token.expose()).note(format!(
                "The token is shown once, above, and works once, until {until}. Send it to the member, who sets a \
                 password with it:\n  keystile password --reset --url {url}\nor at {url}/console/reset#…, with \
                 the token behind the #."
            )),
        };
        Ok(report.if_lost("the token could not be printed and is lost; make another".to_owned()))
    }
}

impl Remove {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let id = self.who.id(context, tenant).await?;
        context.session.client.remove_member(tenant, id).await?;
        let gone = json!({ "person_id": id, "is_member": false });
        Report::done(context.form(), &gone, &format!("{id} is no member any more."))
    }
}

fn rows(members: &[MemberView]) -> String {
    let row = |MemberView { membership, email, disabled }: &MemberView| {
        let MembershipView { person_id, role, created_at, .. } = membership;
        let disabled = if *disabled { "yes" } else { "no" }.to_owned();
        [person_id.to_string(), email.to_string(), role.to_string(), created_at.to_string(), disabled]
    };
    table(["ID", "EMAIL", "ROLE", "SINCE", "DISABLED"], &members.iter().map(row).collect::<Vec<_>>())
}

fn sheet(member: &MemberView) -> String {
    fields(&[("email", member.email.to_string())]) + &place_sheet(&member.membership)
}

fn place_sheet(place: &MembershipView) -> String {
    fields(&[
        ("id", place.person_id.to_string()),
        ("role", place.role.to_string()),
        ("since", place.created_at.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_disabled_is_told_apart() {
        let member = |email: &str, disabled: bool| {
            serde_json::from_value::<MemberView>(json!({
                "person_id": "per_01HF7YAT000000000000000001",
                "tenant_id": "ten_01HF7YAT000000000000000001",
                "role": "viewer",
                "created_at": "2026-01-31T09:30:00.000Z",
                "email": email,
                "disabled": disabled,
            }))
            .unwrap()
        };
        let told = rows(&[member("ada@example.com", false), member("bob@example.com", true)]);
        let last = |email: &str| {
            told.lines().find(|line| line.contains(email)).unwrap().split_whitespace().next_back()
        };
        assert_eq!((last("EMAIL"), last("ada@"), last("bob@")), (Some("DISABLED"), Some("no"), Some("yes")));
    }
}
