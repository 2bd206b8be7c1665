//! The page of a provider of models, and switching it off and on.

use askama::Template;
use axum::extract::State;
use keystile_core::ProviderId;
use keystile_core::llm::ProviderPatch;
use keystile_manage::{Caller, KnownProvider, ModelQuery, VersionGuard};
use keystile_store::Page;

use super::super::models::Row;
use super::{path_of, served, spoken};
use crate::form::Form;
use crate::page::{go_to, page};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;

/// Models that its page shows; all are in the list.
const FEW: u32 = 10;

#[derive(Template)]
#[template(path = "llm/provider.html")]
struct Show {
    shell: Shell,
    known: KnownProvider,
    /// Its newest models.
    rows: Vec<Row>,
    has_more: bool,
}

impl Show {
    fn path(&self) -> String {
        path_of(&self.shell, self.known.provider.id)
    }

    /// Another page, of this provider's models.
    fn with_provider(&self, page: &str) -> String {
        self.shell.path(&format!("{page}?provider_id={}", self.known.provider.id))
    }
}

/// The page of a provider.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
) -> Answer {
    let known = app.control.provider(&caller, id).await?;
    let query = ModelQuery { provider_id: Some(id), ..ModelQuery::default() };
    let mut models = app.control.models(&caller, &query, Page { after: None, limit: FEW + 1 }).await?;
    let has_more = models.len() > FEW as usize;
    models.truncate(FEW as usize);
    let rows = models.into_iter().map(|model| Row::of(model, known.provider.name.as_str())).collect();
    page(&Show { shell, known, rows, has_more })
}

/// Sends requests to it again.
pub(super) async fn enable(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
    Form(_): Form,
) -> Answer {
    let patch = ProviderPatch { enabled: Some(true), ..ProviderPatch::default() };
    switch(&app, caller, id, patch).await?;
    go_to(&format!("{}?told=provider-enabled", path_of(&shell, id)), shell.surroundings)
}

/// Sends nothing to it any more.
pub(super) async fn disable(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
    Form(_): Form,
) -> Answer {
    let patch = ProviderPatch { enabled: Some(false), ..ProviderPatch::default() };
    switch(&app, caller, id, patch).await?;
    go_to(&format!("{}?told=provider-disabled", path_of(&shell, id)), shell.surroundings)
}

async fn switch(app: &App, caller: Caller, id: ProviderId, patch: ProviderPatch) -> Answer<()> {
    let change = move |app: App| async move {
        app.control.patch_provider(&caller, id, patch, VersionGuard(None)).await
    };
    app.commit(change).await?;
    Ok(())
}
