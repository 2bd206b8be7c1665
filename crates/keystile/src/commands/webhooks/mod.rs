//! `keystile webhooks`: whom a tenant wants told of its keys.

mod deliveries;
mod set;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, Timestamp, WebhookId};
use keystile_wire::{CreatedWebhook, WebhookTestView, WebhookView};

use super::context::{Common, Context};
use super::output::{Form, Report};
use super::table::{fields, table};
use crate::failure::Failure;

/// Manages webhooks, to which Keystile sends what happens to keys, through the API of a server. For admins.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  SECRET=$(keystile webhooks create https://example.com/hooks/keystile)
  keystile webhooks create https://example.com/ends --event key.expiring --event key.revoked --environment production
  keystile webhooks test hook_01J8Z3V5N0QK7Y2M4T6B8D9FGH
  keystile webhooks deliveries --state failed
  keystile webhooks redeliver hook_01J8Z3V5N0QK7Y2M4T6B8D9FGH --since 7d

The secret, which is printed once, is for the receiver: messages are signed by the Standard Webhooks specification.")]
pub(crate) struct WebhooksCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Show(Show),
    Create(set::Create),
    Update(Box<set::Update>),
    Delete(Delete),
    RotateSecret(set::RotateSecret),
    Test(Test),
    Deliveries(deliveries::Deliveries),
    Redeliver(deliveries::Redeliver),
}

/// Lists webhooks, oldest first.
#[derive(Debug, Args)]
struct List {}

/// Which webhook a command is about.
#[derive(Debug, Args)]
struct Which {
    /// Its id, as `keystile webhooks list` shows it.
    #[arg(value_name = "WEBHOOK_ID")]
    id: WebhookId,
}

/// Shows a webhook.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    which: Which,
}

/// Takes a webhook away. What was on its way to it is given up.
#[derive(Debug, Args)]
struct Delete {
    #[command(flatten)]
    which: Which,
}

/// Sends a message to a webhook at once, and tells how that went; the exit status is 1 if it was not taken.
#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    which: Which,
}

/// Runs `keystile webhooks …`.
pub(crate) async fn run(command: WebhooksCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(_) => list(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Create(create) => create.run(&context).await,
        Action::Update(update) => update.run(&context).await,
        Action::Delete(delete) => delete.run(&context).await,
        Action::RotateSecret(rotate) => rotate.run(&context).await,
        Action::Test(test) => test.run(&context).await,
        Action::Deliveries(deliveries) => deliveries.run(&context).await,
        Action::Redeliver(redeliver) => redeliver.run(&context, clock.now()).await,
    };
    context.print(report).await
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let tenant = context.session.tenant().await?;
    let listing = context.session.client.webhooks(tenant).await?;
    context.list(&listing, rows, "There is none. Make one: keystile webhooks create URL")
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.webhook(tenant, self.which.id).await?, sheet, None)
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, id) = (&context.session.client, self.which.id);
        let tenant = context.session.tenant().await?;
        client.delete_webhook(tenant, id).await?;
        let document = serde_json::json!({ "id": id, "is_deleted": true });
        Report::done(context.form(), &document, &format!("{id} is deleted."))
    }
}

impl Test {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let test = context.session.client.test_webhook(tenant, self.which.id).await?;
        let report = context.record(&test, test_sheet, None)?;
        Ok(if test.delivered { report } else { report.refused() })
    }
}

/// The secret on standard output, and everything else beside it; all together as JSON.
fn shown_once(created: &CreatedWebhook, context: &Context, note: &str) -> Result<Report, Failure> {
    let id = created.webhook.id;
    let lost = format!(
        "{id} has a new secret, which could not be printed and is lost; give it another: keystile webhooks rotate-secret {id}"
    );
    let report = match context.form() {
        Form::Json => Report::json(created)?,
        Form::Text => Report::default()
            .data(created.secret.expose())
            .note(format!("\n{}", sheet(&created.webhook)))
            .note(format!("The secret is shown once, above; the receiver checks signatures with it. {note}")),
    };
    Ok(report.if_lost(lost))
}

fn rows(webhooks: &[WebhookView]) -> String {
    let row = |webhook: &WebhookView| {
        let WebhookView { id, url, events, .. } = webhook;
        [id.to_string(), state(webhook), all_or(events), url.to_string()]
    };
    table(["ID", "STATE", "EVENTS", "URL"], &webhooks.iter().map(row).collect::<Vec<_>>())
}

fn sheet(webhook: &WebhookView) -> String {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let mut pairs = vec![
        ("id", webhook.id.to_string()),
        ("url", webhook.url.to_string()),
        ("description", webhook.description.clone().unwrap_or_default()),
        ("events", all_or(&webhook.events)),
        ("environments", all_or(&webhook.environments)),
        ("state", state(webhook)),
        ("last delivered", time(webhook.last_success_at)),
        ("made", webhook.created_at.to_string()),
        ("version", webhook.version.to_string()),
    ];
    if let Some(until) = webhook.old_secret_until {
        pairs.push(("signs with both secrets until", until.to_string()));
    }
    fields(&pairs)
}

fn all_or<T: ToString>(words: &[T]) -> String {
    if words.is_empty() {
        return "all".to_owned();
    }
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn state(webhook: &WebhookView) -> String {
    match (webhook.disabled_reason, webhook.unreachable_since) {
        (Some(why), _) => format!("off ({why})"),
        (None, Some(since)) => format!("unreachable since {since}"),
        (None, None) => "on".to_owned(),
    }
}

fn test_sheet(test: &WebhookTestView) -> String {
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    fields(&[
        ("delivered", if test.delivered { "yes" } else { "no" }.to_owned()),
        ("status", test.status.map_or_else(|| "none".to_owned(), |status| status.to_string())),
        ("error", word(&test.error)),
        ("answer", word(&test.excerpt)),
        ("took", format!("{} ms", test.duration_ms)),
    ])
}
