//! `keystile invitations`: letting people into a tenant.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, Email, InvitationId, Role};
use keystile_wire::{CreateInvitation, InvitationView, PageQuery};

use super::context::{Common, Context, Pages};
use super::output::{Form, Report};
use super::table::{fields, table};
use super::words::role;
use crate::failure::Failure;

/// Invites people, lists who is invited and takes invitations back, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TOKEN=$(keystile invitations create ada@example.com developer)
  keystile invitations list

Send the token to whom you invite. It is good once, for 7 days.")]
pub(crate) struct InvitationsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Invites somebody and prints the token, once. For admins; owners are invited by owners.
#[derive(Debug, Args)]
struct Create {
    /// Whom.
    email: Email,
    /// What they may do as a member.
    #[arg(value_parser = role())]
    role: Role,
}

/// Lists open invitations, newest first.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    pages: Pages,
}

/// Takes an invitation back. Its token is dead at once.
#[derive(Debug, Args)]
struct Revoke {
    /// Its id, as `keystile invitations list` shows it.
    #[arg(value_name = "INVITATION_ID")]
    id: InvitationId,
}

/// Runs `keystile invitations …`.
pub(crate) async fn run(command: InvitationsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::Create(create) => create.run(&context).await,
        Action::List(list) => list.run(&context).await,
        Action::Revoke(revoke) => revoke.run(&context).await,
    };
    let printed = report.and_then(Report::print);
    context.session.close().await;
    printed
}

impl Create {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let request = CreateInvitation { email: self.email.to_string(), role: self.role.to_string() };
        let created = client.create_invitation(tenant, &request).await?;
        let id = created.invitation.id;
        let lost = format!(
            "the invitation was made, but its token could not be printed and is lost; take it back: \
             keystile invitations revoke {id}"
        );
        let report = match context.form() {
            Form::Json => Report::json(&created)?,
            Form::Text => Report::default()
                .data(created.token.expose())
                .note(format!("\n{}", sheet(&created.invitation)))
                .note("The token is shown once, above; send it to whom you invite."),
        };
        Ok(report.if_lost(lost))
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let page = async |limit, cursor| client.invitations(tenant, &PageQuery { limit, cursor }).await;
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "Nobody is invited. Invite: keystile invitations create EMAIL ROLE")
    }
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.session.client.revoke_invitation(tenant, self.id).await?;
        match context.form() {
            Form::Json => Report::json(&serde_json::json!({ "id": self.id, "is_open": false })),
            Form::Text => Ok(Report::default().note(format!("{} is taken back.", self.id))),
        }
    }
}

fn rows(invitations: &[InvitationView]) -> String {
    let row = |invitation: &InvitationView| {
        let InvitationView { id, email, role, expires_at, .. } = invitation;
        [id.to_string(), email.to_string(), role.to_string(), expires_at.to_string()]
    };
    table(["ID", "EMAIL", "ROLE", "EXPIRES"], &invitations.iter().map(row).collect::<Vec<_>>())
}

fn sheet(invitation: &InvitationView) -> String {
    fields(&[
        ("id", invitation.id.to_string()),
        ("email", invitation.email.to_string()),
        ("role", invitation.role.to_string()),
        ("expires", invitation.expires_at.to_string()),
    ])
}
