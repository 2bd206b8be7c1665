//! Adding and changing a provider of models. Its credential is typed here, and never shown.

use askama::Template;
use axum::extract::State;
use keystile_core::{Environment, ProviderId, Secret};
use keystile_manage::{Asked, Caller, KnownProvider, Right, VersionGuard};
use keystile_wire::{CreateProvider, Patch, PatchProvider};

use super::path_of;
use crate::form::{Fields, Form, Wrong};
use crate::once::{FormName, MakingForm, once};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for.
const SHOWN: &[&str] = &["name", "protocol", "base_url", "credential", "environment"];

#[derive(Template)]
#[template(path = "llm/provider_edit.html")]
struct Edit {
    shell: Shell,
    /// Which one; none when it is to be made.
    known: Option<KnownProvider>,
    /// Of the form, when one is to be made.
    form_name: Option<FormName>,
    /// What stands in it.
    typed: Fields,
    wrong: Wrong,
}

impl Edit {
    fn of(shell: Shell, known: KnownProvider) -> Self {
        let provider = &known.provider;
        let typed = Fields::from([
            ("version", provider.version.to_string().as_str()),
            ("name", provider.name.as_str()),
            ("base_url", provider.base_url.as_str()),
            ("environment", provider.environment.map_or("", Environment::as_str)),
        ]);
        Self { shell, known: Some(known), form_name: None, typed, wrong: Wrong::default() }
    }

    fn id(&self) -> Option<ProviderId> {
        self.known.as_ref().map(|known| known.provider.id)
    }

    fn path(&self) -> String {
        match self.id() {
            Some(id) => self.shell.path(&format!("providers/{id}/edit")),
            None => self.shell.path("providers/new"),
        }
    }

    /// Where one was before.
    fn back(&self) -> String {
        self.id().map_or_else(|| self.shell.path("providers"), |id| path_of(&self.shell, id))
    }

    /// What is said of the field for the credential.
    fn credential_hint(&self) -> String {
        let Some(known) = &self.known else {
            return "The key that the provider gave you. It is kept encrypted, sent to this host alone, and never shown again."
                .to_owned();
        };
        let end =
            known.credential_hint.as_ref().map(|end| format!(", which ends in {end}")).unwrap_or_default();
        format!(
            "Leave it empty to keep the one that is there{end}. Another host, or a URL without encryption, needs it again."
        )
    }

    fn refused(self, problem: ApiProblem) -> Answer {
        unprocessable(&Self { wrong: Wrong::mendable(problem)?, ..self })
    }
}

/// The form for a new provider.
pub(super) async fn new(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    caller.require(Right::ManageModels)?;
    let typed = Fields::from([("protocol", "openai")]);
    let form_name = Some(FormName::new(&app)?);
    page(&Edit { shell, known: None, form_name, typed, wrong: Wrong::default() })
}

/// Adds a provider.
pub(super) async fn create(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    MakingForm(typed, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let form_name = Some(FormName::new(&app)?);
    let form = Edit { shell, known: None, form_name, typed, wrong: Wrong::default() };
    match carry_out_creation(&app, caller, asked, &form.typed).await {
        Ok(id) => {
            let path = form.shell.path(&format!("providers/{id}?told=provider-added"));
            go_to(&path, form.shell.surroundings)
        }
        Err(problem) => form.refused(problem),
    }
}

/// Gives the id of the provider that the form made, now or before.
async fn carry_out_creation(
    app: &App,
    caller: Caller,
    asked: Option<Asked>,
    typed: &Fields,
) -> Answer<String> {
    let request = CreateProvider {
        name: typed.text("name").to_owned(),
        protocol: typed.text("protocol").to_owned(),
        base_url: typed.text("base_url").to_owned(),
        credential: Secret::new(typed.text("credential")),
        environment: typed.filled("environment"),
        enabled: None,
    };
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    let asker = caller.asker(Right::ManageModels)?;
    let work = move |app: App| async move {
        let made = app.commit(|app| async move { app.control.create_provider(&caller, draft).await }).await?;
        Ok(made.provider.id.to_string())
    };
    Ok(once(app, asker, asked, String::clone, work).await?.made())
}

/// The form of a provider.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
) -> Answer {
    let known = app.control.provider(&caller, id).await?;
    page(&Edit::of(shell, known))
}

/// Changes a provider.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
    Form(typed): Form,
) -> Answer {
    let known = Some(app.control.provider(&caller, id).await?);
    let form = Edit { shell, known, form_name: None, typed, wrong: Wrong::default() };
    match carry_out(&app, caller, id, &form.typed).await {
        Ok(()) => go_to(&format!("{}?told=saved", path_of(&form.shell, id)), form.shell.surroundings),
        Err(problem) => form.refused(problem),
    }
}

async fn carry_out(app: &App, caller: Caller, id: ProviderId, typed: &Fields) -> Answer<()> {
    let credential = Some(typed.text("credential")).filter(|text| !text.is_empty());
    let request = PatchProvider {
        name: Some(typed.text("name").to_owned()),
        base_url: Some(typed.text("base_url").to_owned()),
        credential: credential.map(Secret::new),
        environment: typed.filled("environment").map_or(Patch::Clear, Patch::Write),
        ..PatchProvider::default()
    };
    let guard = VersionGuard(typed.text("version").parse().ok());
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move { app.control.patch_provider(&caller, id, patch, guard).await };
    app.commit(change).await?;
    Ok(())
}
