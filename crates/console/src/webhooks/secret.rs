//! The secret of a webhook, made once and shown once.

use askama::Template;
use keystile_core::{Secret, Webhook, WebhookId};
use keystile_manage::{Caller, WithSecret};

use super::super::once::{Sent, SentBefore};
use super::super::page::{page, page_with_secret};
use super::super::shell::Shell;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

/// What a secret was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A new webhook.
    Made,
    /// One that had another.
    Rotated,
}

impl Occasion {
    const fn title(self) -> &'static str {
        match self {
            Self::Made => "Your new webhook",
            Self::Rotated => "The new secret",
        }
    }

    /// What had happened when the form was sent for the first time.
    fn done_before(self, webhook: &Webhook) -> String {
        let host = webhook.url.host();
        match self {
            Self::Made => format!("The webhook to {host} was made."),
            Self::Rotated => format!("The webhook to {host} got a new secret."),
        }
    }
}

#[derive(Template)]
#[template(path = "webhooks/secret.html")]
struct Show {
    shell: Shell,
    title: &'static str,
    webhook: Webhook,
    secret: Secret,
}

/// Shows the secret in this one answer, or tells whoever sends the form again that it was shown.
pub(super) async fn answer(
    app: &App,
    (caller, shell): (&Caller, Shell),
    sent: Sent<WithSecret>,
    occasion: Occasion,
) -> Answer {
    let id = match sent {
        Sent::Now(WithSecret { webhook, secret }) => {
            return page_with_secret(&Show { shell, title: occasion.title(), webhook, secret });
        }
        Sent::Before(id) => id.parse::<WebhookId>().map_err(|_| ApiProblem::internal())?,
    };
    let (webhook, path) = (app.control.webhook(caller, id).await?, shell.path(&format!("webhooks/{id}")));
    page(&SentBefore {
        shell,
        made: occasion.done_before(&webhook),
        lost: "The secret was shown in the first answer alone. If you have not copied it, give the webhook another one.",
        remedy: (format!("{path}/rotate"), "Give it another secret"),
        place: (path, "To the webhook"),
        another: None,
    })
}
