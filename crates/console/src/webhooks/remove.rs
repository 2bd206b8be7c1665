//! Taking a webhook away.

use askama::Template;
use axum::extract::State;
use keystile_core::{Invalid, Webhook, WebhookId};

use super::super::form::{Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "webhooks/delete.html")]
struct Ask {
    shell: Shell,
    webhook: Webhook,
    wrong: Wrong,
}

/// Says what will happen.
pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    let webhook = app.control.webhook(&caller, id).await?;
    page(&Ask { shell, webhook, wrong: Wrong::default() })
}

/// Does it, if the host is typed where it must be.
pub(super) async fn delete(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    Form(fields): Form,
) -> Answer {
    let webhook = app.control.webhook(&caller, id).await?;
    let done = if fields.text("typed") == webhook.url.host() {
        app.control.delete_webhook(&caller, id).await.map_err(ApiProblem::from)
    } else {
        Err(Invalid::new("typed", "type the host exactly as it stands above").into())
    };
    match done {
        Ok(()) => {
            app.courier.look(id);
            go_to(&shell.path("webhooks?told=webhook-deleted"), shell.surroundings)
        }
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { shell, webhook, wrong })
        }
    }
}
