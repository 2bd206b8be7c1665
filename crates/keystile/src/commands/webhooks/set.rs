//! `keystile webhooks create`, `update` and `rotate-secret`.

use std::time::Duration;

use clap::Args;
use keystile_core::{Environment, Invalid, WebhookEvent};
use keystile_wire::{CreateWebhook, MAX_SECRET_OVERLAP, Patch, PatchWebhook, RotateWebhookSecret};

use super::{Which, sheet, shown_once};
use crate::commands::context::Context;
use crate::commands::moment::span;
use crate::commands::output::Report;
use crate::commands::words::{environment, webhook_event};
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --to or --disable";

/// Makes a webhook and prints its secret, once. It is told of what happens from then on.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Where messages go: https://…, to a public address.
    #[arg(value_name = "URL")]
    to: String,
    /// What it is for; 1 to 200 characters.
    #[arg(long)]
    description: Option<String>,
    /// What it is told of; everything unless some are named. May be given more than once.
    #[arg(long = "event", value_name = "EVENT", value_parser = webhook_event())]
    events: Vec<WebhookEvent>,
    /// Keys of which environments it is told of; all unless some are named. May be given more than once.
    #[arg(long = "environment", value_name = "ENVIRONMENT", value_parser = environment())]
    environments: Vec<Environment>,
}

/// Changes a webhook, or switches it off or on. What you do not name stays as it is.
#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    which: Which,
    /// Where messages go.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// Take the description away.
    #[arg(long, conflicts_with = "description")]
    clear_description: bool,
    /// What it is told of, instead of what it was. May be given more than once.
    #[arg(long = "event", value_name = "EVENT", value_parser = webhook_event())]
    events: Vec<WebhookEvent>,
    /// Tell it of everything.
    #[arg(long, conflicts_with = "events")]
    all_events: bool,
    /// Keys of which environments it is told of. May be given more than once.
    #[arg(long = "environment", value_name = "ENVIRONMENT", value_parser = environment())]
    environments: Vec<Environment>,
    /// Tell it of keys of all environments.
    #[arg(long, conflicts_with = "environments")]
    all_environments: bool,
    /// Send nothing to it; what happens waits, up to 30 days.
    #[arg(long)]
    disable: bool,
    /// Send to it again, first what waits.
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Change it only if the record still has this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

/// Gives a webhook another secret and prints it, once. For a while messages are signed with both.
#[derive(Debug, Args)]
pub(super) struct RotateSecret {
    #[command(flatten)]
    which: Which,
    /// How long the secret before signs, too: `0`, `90min`, `24h`, at most `7d`; a day unless it is said.
    #[arg(long, value_name = "SPAN", value_parser = overlap)]
    overlap: Option<Duration>,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let request = CreateWebhook {
            url: self.to,
            description: self.description,
            events: Some(words(&self.events)),
            environments: Some(words(&self.environments)),
        };
        let created = context.session.client.create_webhook(tenant, &request).await?;
        let id = created.webhook.id;
        shown_once(&created, context, &format!("Try it: keystile webhooks test {id}"))
    }
}

impl Update {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.which.id;
        let request = self.request().ok_or_else(|| Failure::new(NOTHING))?;
        let tenant = context.session.tenant().await?;
        let webhook = context.session.client.patch_webhook(tenant, id, &request).await?;
        context.record(&webhook, sheet, Some("It is changed."))
    }

    fn request(self) -> Option<PatchWebhook> {
        let description = if self.clear_description { Patch::Clear } else { Patch::from(self.description) };
        let events = (self.all_events || !self.events.is_empty()).then(|| words(&self.events));
        let environments =
            (self.all_environments || !self.environments.is_empty()).then(|| words(&self.environments));
        let enabled = (self.enable || self.disable).then_some(self.enable);
        let nothing = self.to.is_none()
            && description == Patch::Keep
            && events.is_none()
            && environments.is_none()
            && enabled.is_none();
        let version = self.if_version;
        let request = PatchWebhook { url: self.to, description, events, environments, enabled, version };
        (!nothing).then_some(request)
    }
}

impl RotateSecret {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let request = RotateWebhookSecret { overlap_seconds: self.overlap.map(|span| span.as_secs()) };
        let client = &context.session.client;
        let created = client.rotate_webhook_secret(tenant, self.which.id, &request).await?;
        let note = match created.webhook.old_secret_until {
            Some(until) => format!("The one before signs beside it until {until}."),
            None => "The one before signs no more.".to_owned(),
        };
        shown_once(&created, context, &note)
    }
}

fn words<T: ToString>(members: &[T]) -> Vec<String> {
    members.iter().map(ToString::to_string).collect()
}

fn overlap(text: &str) -> Result<Duration, Invalid> {
    let given = if text == "0" { Some(Duration::ZERO) } else { span(text) };
    given
        .filter(|span| span.as_secs() <= MAX_SECRET_OVERLAP)
        .ok_or_else(|| Invalid::rule("must be `0` or a span such as `90min` or `24h`, of at most 7 days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_nothing_or_a_span_of_at_most_a_week() {
        assert_eq!(overlap("0"), Ok(Duration::ZERO));
        assert_eq!(overlap("7d"), Ok(Duration::from_secs(MAX_SECRET_OVERLAP)));
        for bad in ["", "1", "8d", "soon"] {
            assert!(overlap(bad).is_err(), "{bad}");
        }
    }
}
