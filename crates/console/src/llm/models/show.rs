//! The page of a model: what it is, and every price that it has had.

use askama::Template;
use axum::extract::State;
use keystile_core::llm::{ModelPatch, PriceVersion};
use keystile_core::{Invalid, Model, ModelId, Timestamp};
use keystile_manage::{Caller, Names, VersionGuard};
use keystile_wire::PageQuery;

use super::super::price::{self, Line};
use super::path_of;
use crate::form::Form;
use crate::page::{go_to, page};
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_size};
use keystile_web::extract::PathId;

#[derive(Template)]
#[template(path = "llm/model.html")]
struct Show {
    shell: Shell,
    model: Model,
    provider: String,
    price: Vec<Line>,
    versions: Vec<Version>,
    asked: Asked,
    next: Option<String>,
}

/// A price that it had.
struct Version {
    number: u32,
    price: Option<String>,
    set_at: Timestamp,
    set_by: String,
}

impl Show {
    fn path(&self) -> String {
        path_of(&self.shell, self.model.id)
    }

    fn encoding(&self) -> Option<&'static str> {
        self.model.encoding.map(|encoding| words::encoding(encoding).name)
    }

    fn has_own_upstream_name(&self) -> bool {
        self.model.upstream_name != self.model.name
    }
}

/// The page of a model.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
    Sought { query, asked }: Sought<PageQuery>,
) -> Answer {
    let model = app.control.model(&caller, id).await?;
    let names = app.control.names_in_models(&caller, std::slice::from_ref(&model)).await?;
    let provider_id = model.provider_id.to_string();
    let provider = names.of(&provider_id).unwrap_or(&provider_id).to_owned();
    let (versions, cursor) = prices(&app, &caller, id, &query).await?;
    let next = cursor.map(|cursor| asked.with("cursor", &cursor));
    let price = model.price.as_ref().map(price::lines).unwrap_or_default();
    page(&Show { shell, model, provider, price, versions, asked, next })
}

/// A page of its prices, and where the next one begins.
async fn prices(
    app: &App,
    caller: &Caller,
    id: ModelId,
    query: &PageQuery,
) -> Answer<(Vec<Version>, Option<String>)> {
    let limit = page_size(query.limit)?;
    let broken = |_| Invalid::new("cursor", "must be the `next_cursor` of a page");
    let before = query.cursor.as_deref().map(|cursor| cursor.parse::<u32>().map_err(broken)).transpose()?;
    let prices = app.control.model_prices(caller, id, before, u32::from(limit) + 1).await?;
    let listed = listing(prices, usize::from(limit), |price| price.version.to_string(), |price| price);
    let names = app.control.names_in_prices(caller, &listed.data).await?;
    Ok((listed.data.iter().map(|price| version(price, &names)).collect(), listed.next_cursor))
}

fn version(set: &PriceVersion, names: &Names) -> Version {
    let who = set.set_by.to_string();
    Version {
        number: set.version,
        price: set.price.as_ref().map(price::brief),
        set_at: set.set_at,
        set_by: names.of(&who).unwrap_or(&who).to_owned(),
    }
}

/// Offers it again.
pub(super) async fn enable(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
    Form(_): Form,
) -> Answer {
    let patch = ModelPatch { enabled: Some(true), ..ModelPatch::default() };
    switch(&app, caller, id, patch).await?;
    go_to(&format!("{}?told=model-enabled", path_of(&shell, id)), shell.surroundings)
}

/// Offers it no more.
pub(super) async fn disable(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
    Form(_): Form,
) -> Answer {
    let patch = ModelPatch { enabled: Some(false), ..ModelPatch::default() };
    switch(&app, caller, id, patch).await?;
    go_to(&format!("{}?told=model-disabled", path_of(&shell, id)), shell.surroundings)
}

async fn switch(app: &App, caller: Caller, id: ModelId, patch: ModelPatch) -> Answer<()> {
    let change =
        move |app: App| async move { app.control.patch_model(&caller, id, patch, VersionGuard(None)).await };
    app.commit(change).await?;
    Ok(())
}
