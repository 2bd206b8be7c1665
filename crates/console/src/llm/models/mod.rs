//! Models and what they cost: the list, and the ways to the pages of one.

mod edit;
mod import;
mod remove;
mod show;

use askama::Template;
use axum::extract::State;
use keystile_core::{Model, ModelId, ModelName};
use keystile_manage::{Caller, ModelQuery, Names, Right};
use keystile_wire::ModelListQuery;

use super::{Choice, price, providers};
use crate::form::Fields;
use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::table::{Pages, get, post};
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of, sought};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/models", get(list))
        .route("/models/new", get(edit::new).post(edit::create))
        .route("/models/import", get(import::ask).post(import::import))
        .route("/models/{model_id}", get(show::show))
        .route("/models/{model_id}/edit", get(edit::edit).post(edit::change))
        .route("/models/{model_id}/enable", post(show::enable))
        .route("/models/{model_id}/disable", post(show::disable))
        .route("/models/{model_id}/delete", get(remove::ask).post(remove::delete))
}

/// A model as a table shows it.
pub(super) struct Row {
    pub(super) model: Model,
    /// Who provides it.
    pub(super) provider: String,
    /// In a line; none if it has no price.
    pub(super) price: Option<String>,
    /// Its other names, in a line.
    pub(super) aliases: String,
}

impl Row {
    pub(super) fn of(model: Model, provider: &str) -> Self {
        let aliases: Vec<_> = model.aliases.iter().map(ModelName::as_str).collect();
        Self {
            aliases: aliases.join(", "),
            provider: provider.to_owned(),
            price: model.price.as_ref().map(price::brief),
            model,
        }
    }
}

#[derive(Template)]
#[template(path = "llm/models.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
    /// To choose from; none for whoever may not see them.
    providers: Vec<Choice>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the tenant's models.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<ModelListQuery>,
) -> Answer {
    let (which, limit) = page_of::<ModelId>(query.limit, query.cursor.as_deref())?;
    let wanted = ModelQuery { provider_id: query.provider_id, name_contains: sought("q", query.q)? };
    let models = app.control.models(&caller, &wanted, which).await?;
    let listed = listing(models, limit, |model| model.id.to_string(), |model| model);
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    let names = app.control.names_in_models(&caller, &listed.data).await?;
    let rows = listed.data.into_iter().map(|model| row(model, &names)).collect();
    let providers = visible_providers(&app, &caller).await?;
    page(&List { shell, rows, providers, asked, next })
}

fn row(model: Model, names: &Names) -> Row {
    let id = model.provider_id.to_string();
    Row::of(model, names.of(&id).unwrap_or(&id))
}

/// All providers for whoever may see them.
async fn visible_providers(app: &App, caller: &Caller) -> Answer<Vec<Choice>> {
    if caller.require(Right::ManageModels).is_err() {
        return Ok(Vec::new());
    }
    providers::choices(app, caller).await
}

/// What stands in a form that somebody opens for the provider that the query names.
fn for_provider(query: &ModelListQuery) -> Fields {
    let provider = query.provider_id.map(|id| id.to_string()).unwrap_or_default();
    Fields::from([("provider_id", provider.as_str())])
}

/// Where a model is, below the tenant.
fn path_of(shell: &Shell, id: ModelId) -> String {
    shell.path(&format!("models/{id}"))
}
