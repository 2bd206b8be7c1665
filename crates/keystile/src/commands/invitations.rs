//! `keystile invitations`: letting people into a tenant.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_client::Client;
use keystile_core::{Clock, Email, InvitationId, Role, Secret};
use keystile_wire::{AcceptInvitation, AcceptedInvitation, CreateInvitation, InvitationView, PageQuery};

use super::connection::warn_if_readable;
use super::context::{Common, Context, Pages};
use super::output::{Form, Report, plain};
use super::prompt;
use super::table::{fields, table};
use super::words::role;
use crate::failure::Failure;

/// Invites people, lists who is invited, takes invitations back and accepts them, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TOKEN=$(keystile invitations create ada@example.com developer)
  keystile invitations list
  keystile invitations accept --new --url https://keys.example.com

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
    Accept(Accept),
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

/// Accepts an invitation as whom you are signed in, or, when you are new, with a password to be. The token is asked for.
#[derive(Debug, Args)]
struct Accept {
    /// You cannot sign in at this server yet: choose a password.
    #[arg(long)]
    new: bool,
    /// Read the token from the first line of standard input, and a password to be from the second.
    #[arg(long)]
    stdin: bool,
}

/// Runs `keystile invitations …`.
pub(crate) async fn run(command: InvitationsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    if let Action::Accept(accept @ Accept { new: true, .. }) = &command.action {
        return accept.join(&command.common).await?.print();
    }
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::Create(create) => create.run(&context).await,
        Action::List(list) => list.run(&context).await,
        Action::Revoke(revoke) => revoke.run(&context).await,
        Action::Accept(accept) => accept.run(&context).await,
    };
    context.print(report).await
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
                .note(format!(
                    "The token is shown once, above; send it to whom you invite. Who is new there accepts it with\n  \
                     keystile invitations accept --new --url {url}\nand who can sign in there already does so first, and \
                     leaves out --new. Or both open {url}/console/invitation#…, with the token behind the #.",
                    url = client.base_url()
                )),
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

impl Accept {
    /// As somebody new.
    async fn join(&self, common: &Common) -> Result<Report, Failure> {
        let url = common.address();
        warn_if_readable(&url);
        let token = self.token()?;
        let password = if self.stdin { prompt::from_stdin("New password") } else { prompt::new_password() }?;
        let password = Some(password);
        let accepted = Client::join(&url, &AcceptInvitation { token, password }).await?;
        let email = plain(accepted.email.as_str());
        let next = format!("Sign in: keystile login --url {} --email {email}", plain(&url));
        joined(&accepted, common.form(), &next)
    }

    /// As somebody who has signed in.
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let request = AcceptInvitation { token: self.token()?, password: None };
        let accepted = context.session.client.accept_invitation(&request).await?;
        let next = format!("To act in it: --tenant {}", accepted.membership.tenant_id);
        joined(&accepted, context.form(), &next)
    }

    fn token(&self) -> Result<Secret, Failure> {
        if self.stdin { prompt::from_stdin("Token") } else { prompt::hidden("Token") }
    }
}

fn joined(accepted: &AcceptedInvitation, form: Form, next: &str) -> Result<Report, Failure> {
    match form {
        Form::Json => Report::json(accepted),
        Form::Text => {
            let sheet = fields(&[
                ("tenant", accepted.membership.tenant_id.to_string()),
                ("name", accepted.tenant_name.to_string()),
                ("email", accepted.email.to_string()),
                ("role", accepted.membership.role.to_string()),
            ]);
            Ok(Report::default().data(&sheet).note(next))
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
