//! Adding and changing a model.

use askama::Template;
use axum::extract::State;
use keystile_core::{Model, ModelId, ModelName};
use keystile_manage::{Asked, Caller, Right, VersionGuard};
use keystile_wire::{CreateModel, ModelListQuery, PatchModel};
use serde_json::Value;

use super::super::price::{self, Field, PRICE};
use super::super::{Choice, providers};
use super::{for_provider, path_of};
use crate::as_json::{AsJson, number};
use crate::form::{Fields, Form, Wrong};
use crate::once::{FormName, MakingForm, once};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::sought::Sought;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for, beside the parts of a price.
const SHOWN: &[&str] = &[
    "provider_id",
    "name",
    "aliases",
    "upstream_name",
    "rank",
    "context_window",
    "max_output_tokens",
    "encoding",
    "price.",
];

#[derive(Template)]
#[template(path = "llm/model_edit.html")]
struct Edit {
    shell: Shell,
    /// The model that is changed; none when one is made.
    model: Option<Model>,
    /// Of the form, when one is made.
    form_name: Option<FormName>,
    /// Whose model it can be, when one is made.
    providers: Vec<Choice>,
    /// What stands in the form.
    typed: Fields,
    /// The parts of its price that most have, and the others.
    usual: Vec<Field>,
    rare: Vec<Field>,
    wrong: Wrong,
}

impl Edit {
    fn new(shell: Shell, model: Option<Model>, typed: Fields, wrong: Wrong) -> Self {
        let (usual, rare) = price::fields(&typed, &wrong);
        Self { shell, model, form_name: None, providers: Vec::new(), typed, usual, rare, wrong }
    }

    /// The form of a new model, in which this was typed.
    async fn making(
        app: &App,
        (caller, shell): (&Caller, Shell),
        typed: Fields,
        wrong: Wrong,
    ) -> Answer<Self> {
        let (form_name, providers) = (Some(FormName::new(app)?), providers::choices(app, caller).await?);
        Ok(Self { form_name, providers, ..Self::new(shell, None, typed, wrong) })
    }

    fn of(shell: Shell, model: Model) -> Self {
        let aliases: Vec<_> = model.aliases.iter().map(ModelName::as_str).collect();
        let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
        let pairs = [
            ("version", model.version.to_string()),
            ("aliases", aliases.join("\n")),
            ("upstream_name", model.upstream_name.to_string()),
            ("rank", model.rank.to_string()),
            ("context_window", count(model.context_window)),
            ("max_output_tokens", count(model.max_output_tokens)),
            ("encoding", model.encoding.map(|encoding| encoding.to_string()).unwrap_or_default()),
        ];
        let mut typed: Vec<_> = pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        typed.extend(model.price.as_ref().map(price::filled).unwrap_or_default());
        Self::new(shell, Some(model), typed.into(), Wrong::default())
    }

    fn path(&self) -> String {
        match &self.model {
            Some(model) => self.shell.path(&format!("models/{}/edit", model.id)),
            None => self.shell.path("models/new"),
        }
    }

    /// Where one was before.
    fn back(&self) -> String {
        self.model.as_ref().map_or_else(|| self.shell.path("models"), |model| path_of(&self.shell, model.id))
    }

    /// Whether any part of a price stands in the form that most models have none for.
    fn opens_rare(&self) -> bool {
        self.rare.iter().any(|field| !field.value.is_empty())
    }

    /// What is wrong with no field that the form shows.
    fn rest(&self) -> Option<String> {
        self.wrong.rest(SHOWN)
    }
}

/// What making and changing have in common.
fn said(typed: &Fields) -> AsJson {
    let rank = Some(typed.text("rank")).filter(|text| !text.is_empty()).unwrap_or("0");
    AsJson::default()
        .with("aliases", Value::from(typed.lines("aliases")))
        .with("rank", number(rank))
        .with("context_window", number(typed.text("context_window")))
        .with("max_output_tokens", number(typed.text("max_output_tokens")))
        .text("encoding", typed)
        .with(PRICE, price::said(typed))
}

/// The form for a new model, of the provider that the query names.
pub(super) async fn new(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, .. }: Sought<ModelListQuery>,
) -> Answer {
    caller.require(Right::ManageModels)?;
    page(&Edit::making(&app, (&caller, shell), for_provider(&query), Wrong::default()).await?)
}

/// Offers a model.
pub(super) async fn create(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    MakingForm(typed, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageModels)?;
    match carry_out_creation(&app, caller.clone(), asked, &typed).await {
        Ok(id) => go_to(&shell.path(&format!("models/{id}?told=model-added")), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Edit::making(&app, (&caller, shell), typed, wrong).await?)
        }
    }
}

/// Gives the id of the model that the form made, now or before.
async fn carry_out_creation(
    app: &App,
    caller: Caller,
    asked: Option<Asked>,
    typed: &Fields,
) -> Answer<String> {
    let mut request = said(typed).required("provider_id", typed).required("name", typed);
    if let Some(upstream) = typed.filled("upstream_name") {
        request = request.with("upstream_name", upstream.into());
    }
    let request: CreateModel = request.read()?;
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    let asker = caller.asker(Right::ManageModels)?;
    let work = move |app: App| async move {
        let made = app.commit(|app| async move { app.control.create_model(&caller, draft).await }).await?;
        Ok(made.id.to_string())
    };
    Ok(once(app, asker, asked, String::clone, work).await?.made())
}

/// The form of a model.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let model = app.control.model(&caller, id).await?;
    page(&Edit::of(shell, model))
}

/// Changes a model.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
    Form(typed): Form,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let model = app.control.model(&caller, id).await?;
    match carry_out(&app, caller, id, &typed).await {
        Ok(()) => go_to(&format!("{}?told=saved", path_of(&shell, id)), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Edit::new(shell, Some(model), typed, wrong))
        }
    }
}

async fn carry_out(app: &App, caller: Caller, id: ModelId, typed: &Fields) -> Answer<()> {
    let request = said(typed).required("upstream_name", typed).with("version", number(typed.text("version")));
    let request: PatchModel = request.read()?;
    let guard = VersionGuard(request.version);
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move { app.control.patch_model(&caller, id, patch, guard).await };
    app.commit(change).await?;
    Ok(())
}
