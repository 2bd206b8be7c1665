//! Making and changing a webhook.

use askama::Template;
use axum::extract::State;
use keystile_core::{Webhook, WebhookId};
use keystile_manage::{Asked, Caller, Right, VersionGuard, WithSecret};
use keystile_wire::{CreateWebhook, PatchWebhook};
use serde_json::Value;

use super::super::as_json::{AsJson, number};
use super::super::form::{Fields, Form, Wrong};
use super::super::once::{FormName, MakingForm, Sent, once};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts, words};
use super::secret;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for.
const SHOWN: &[&str] = &["url", "description", "events", "environments"];

#[derive(Template)]
#[template(path = "webhooks/edit.html")]
struct Edit {
    shell: Shell,
    /// Which one; none when it is to be made.
    id: Option<WebhookId>,
    /// Of the form, when one is to be made.
    form_name: Option<FormName>,
    /// What stands in it.
    typed: Fields,
    wrong: Wrong,
}

impl Edit {
    fn of(shell: Shell, webhook: &Webhook) -> Self {
        let mut pairs = vec![
            ("version", webhook.version.to_string()),
            ("url", webhook.url.to_string()),
            ("description", webhook.description.clone().unwrap_or_default()),
        ];
        pairs.extend(webhook.events.iter().map(|event| ("events", event.to_string())));
        pairs.extend(webhook.environments.iter().map(|one| ("environments", one.to_string())));
        let typed: Vec<_> = pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        Self { shell, id: Some(webhook.id), form_name: None, typed: typed.into(), wrong: Wrong::default() }
    }

    /// What making and changing have in common.
    fn said(&self) -> AsJson {
        let all = |name: &str| Value::from(self.typed.all(name));
        AsJson::default()
            .required("url", &self.typed)
            .text("description", &self.typed)
            .with("events", all("events"))
            .with("environments", all("environments"))
    }

    fn path(&self) -> String {
        match self.id {
            Some(id) => self.shell.path(&format!("webhooks/{id}/edit")),
            None => self.shell.path("webhooks/new"),
        }
    }

    /// Where one was before.
    fn back(&self) -> String {
        match self.id {
            Some(id) => self.shell.path(&format!("webhooks/{id}")),
            None => self.shell.path("webhooks"),
        }
    }

    fn refused(self, problem: ApiProblem) -> Answer {
        unprocessable(&Self { wrong: Wrong::mendable(problem)?, ..self })
    }
}

/// The form for a new webhook.
pub(super) async fn new(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    caller.require(Right::ManageWebhooks)?;
    let form_name = Some(FormName::new(&app)?);
    page(&Edit { shell, id: None, form_name, typed: Fields::default(), wrong: Wrong::default() })
}

/// Makes a webhook and shows its secret, this once.
pub(super) async fn create(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    MakingForm(typed, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageWebhooks)?;
    let form_name = Some(FormName::new(&app)?);
    let form = Edit { shell, id: None, form_name, typed, wrong: Wrong::default() };
    match carry_out_creation(&app, &caller, asked, &form).await {
        Ok(sent) => secret::answer(&app, (&caller, form.shell), sent, secret::Occasion::Made).await,
        Err(problem) => form.refused(problem),
    }
}

async fn carry_out_creation(
    app: &App,
    caller: &Caller,
    asked: Option<Asked>,
    form: &Edit,
) -> Answer<Sent<WithSecret>> {
    let request: CreateWebhook = form.said().read()?;
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    let asker = caller.asker(Right::ManageWebhooks)?;
    let caller = caller.clone();
    let work = move |app: App| async move { Ok(app.control.create_webhook(&caller, draft).await?) };
    once(app, asker, asked, |made: &WithSecret| made.webhook.id.to_string(), work).await
}

/// The form of a webhook.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    let webhook = app.control.webhook(&caller, id).await?;
    page(&Edit::of(shell, &webhook))
}

/// Changes a webhook.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    Form(typed): Form,
) -> Answer {
    caller.require(Right::ManageWebhooks)?;
    let form = Edit { shell, id: Some(id), form_name: None, typed, wrong: Wrong::default() };
    match carry_out(&app, &caller, id, &form).await {
        Ok(()) => go_to(&form.shell.path(&format!("webhooks/{id}?told=saved")), form.shell.surroundings),
        Err(problem) => form.refused(problem),
    }
}

async fn carry_out(app: &App, caller: &Caller, id: WebhookId, form: &Edit) -> Answer<()> {
    let request: PatchWebhook = form.said().with("version", number(form.typed.text("version"))).read()?;
    let guard = VersionGuard(request.version);
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    app.control.patch_webhook(caller, id, patch, guard).await?;
    app.courier.look(id);
    Ok(())
}
