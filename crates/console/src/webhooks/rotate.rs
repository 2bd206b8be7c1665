//! Giving a webhook another secret.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use keystile_core::{Webhook, WebhookId};
use keystile_manage::{Right, WithSecret};
use keystile_wire::RotateWebhookSecret;

use super::super::as_json::{AsJson, number};
use super::super::form::{Fields, Wrong};
use super::super::once::{FormName, MakingForm, once};
use super::super::page::{page, unprocessable};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::secret::{self, Occasion};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// How long both secrets sign: as the API takes it, in words, and when that is right.
const OVERLAPS: &[(&str, &str, &str)] = &[
    ("86400", "One day", "time to give the receiver the new secret"),
    ("604800", "One week", "for receivers that are changed seldom"),
    ("3600", "One hour", "for one that you change at once"),
    ("0", "Not at all", "the old one may be in wrong hands"),
];

#[derive(Template)]
#[template(path = "webhooks/rotate.html")]
struct Ask {
    shell: Shell,
    webhook: Webhook,
    form_name: FormName,
    /// As it was chosen.
    overlap: String,
    wrong: Wrong,
}

/// Asks how long both are to sign.
pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    let webhook = app.control.webhook(&caller, id).await?;
    let (form_name, overlap) = (FormName::new(&app)?, OVERLAPS[0].0.to_owned());
    page(&Ask { shell, webhook, form_name, overlap, wrong: Wrong::default() })
}

/// Makes the secret and shows it, this once.
pub(super) async fn rotate(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    let webhook = app.control.webhook(&caller, id).await?;
    let rotate = async {
        let overlap = overlap(&fields)?;
        let (asker, caller) = (caller.asker(Right::ManageWebhooks)?, caller.clone());
        let work =
            move |app: App| async move { Ok(app.control.rotate_webhook_secret(&caller, id, overlap).await?) };
        once(&app, asker, asked, |made: &WithSecret| made.webhook.id.to_string(), work).await
    };
    match rotate.await {
        Ok(sent) => secret::answer(&app, (&caller, shell), sent, Occasion::Rotated).await,
        Err(problem) => {
            let (wrong, form_name) = (Wrong::mendable(problem)?, FormName::new(&app)?);
            let overlap = fields.text("overlap_seconds").to_owned();
            unprocessable(&Ask { shell, webhook, form_name, overlap, wrong })
        }
    }
}

fn overlap(fields: &Fields) -> Answer<Duration> {
    let typed = number(fields.text("overlap_seconds"));
    let request: RotateWebhookSecret = AsJson::default().with("overlap_seconds", typed).read()?;
    request.overlap().map_err(ApiProblem::from)
}
