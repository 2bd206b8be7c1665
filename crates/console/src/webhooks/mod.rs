//! Webhooks: the list, and the ways to the pages of one.

mod edit;
mod remove;
mod rotate;
mod secret;
mod show;

use askama::Template;
use axum::extract::State;
use keystile_core::Webhook;
use keystile_core::webhook::MOST_WEBHOOKS;

use super::page::page;
use super::shell::Shell;
use super::table::{Pages, get, post};
use super::visitor::Inside;
use super::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/webhooks", get(list))
        .route("/webhooks/new", get(edit::new).post(edit::create))
        .route("/webhooks/{webhook_id}", get(show::show))
        .route("/webhooks/{webhook_id}/edit", get(edit::edit).post(edit::change))
        .route("/webhooks/{webhook_id}/test", post(show::test))
        .route("/webhooks/{webhook_id}/enable", post(show::enable))
        .route("/webhooks/{webhook_id}/disable", post(show::disable))
        .route("/webhooks/{webhook_id}/redeliver", post(show::redeliver))
        .route("/webhooks/{webhook_id}/rotate", get(rotate::ask).post(rotate::rotate))
        .route("/webhooks/{webhook_id}/delete", get(remove::ask).post(remove::delete))
}

#[derive(Template)]
#[template(path = "webhooks/list.html")]
struct List {
    shell: Shell,
    webhooks: Vec<Webhook>,
}

impl List {
    fn may_make_more(&self) -> bool {
        u64::try_from(self.webhooks.len()).is_ok_and(|count| count < MOST_WEBHOOKS)
    }
}

/// All webhooks of the tenant.
async fn list(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    let webhooks = app.control.webhooks(&caller).await?;
    page(&List { shell, webhooks })
}

/// What a webhook is told of, in a line.
fn events_told(webhook: &Webhook) -> String {
    if webhook.events.is_empty() {
        return "Everything".to_owned();
    }
    let names: Vec<_> = webhook.events.iter().map(|event| words::webhook_event(*event).name).collect();
    names.join(", ")
}

/// Of which environments, in a line.
fn environments_told(webhook: &Webhook) -> String {
    if webhook.environments.is_empty() {
        return "All".to_owned();
    }
    let names: Vec<_> = webhook.environments.iter().map(|one| words::environment(*one).name).collect();
    names.join(", ")
}
