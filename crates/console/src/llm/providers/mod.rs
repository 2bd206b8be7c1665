//! Providers of models: the list, and the ways to the pages of one.

mod edit;
mod remove;
mod show;

use askama::Template;
use axum::extract::State;
use keystile_core::llm::MOST_PROVIDERS;
use keystile_core::{Provider, ProviderId};
use keystile_manage::{Caller, KnownProvider};

use super::Choice;
use crate::page::page;
use crate::shell::Shell;
use crate::table::{Pages, get, post};
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/providers", get(list))
        .route("/providers/new", get(edit::new).post(edit::create))
        .route("/providers/{provider_id}", get(show::show))
        .route("/providers/{provider_id}/edit", get(edit::edit).post(edit::change))
        .route("/providers/{provider_id}/enable", post(show::enable))
        .route("/providers/{provider_id}/disable", post(show::disable))
        .route("/providers/{provider_id}/delete", get(remove::ask).post(remove::delete))
}

#[derive(Template)]
#[template(path = "llm/providers.html")]
struct List {
    shell: Shell,
    providers: Vec<KnownProvider>,
}

impl List {
    fn may_make_more(&self) -> bool {
        u64::try_from(self.providers.len()).is_ok_and(|count| count < MOST_PROVIDERS)
    }
}

/// All providers of the tenant.
async fn list(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    let providers = app.control.providers(&caller).await?;
    page(&List { shell, providers })
}

/// All of them, to choose from.
pub(super) async fn choices(app: &App, caller: &Caller) -> Answer<Vec<Choice>> {
    let known = app.control.providers(caller).await?.into_iter().map(|known| known.provider);
    Ok(known.map(|one| Choice { id: one.id.to_string(), name: one.name.to_string() }).collect())
}

/// Keys of which environment a provider serves.
fn served(provider: &Provider) -> &'static str {
    provider.environment.map_or("all environments", |one| words::environment(one).name)
}

/// What a provider speaks.
fn spoken(provider: &Provider) -> &'static str {
    words::protocol(provider.protocol).name
}

/// Where a provider is, below the tenant.
fn path_of(shell: &Shell, id: ProviderId) -> String {
    shell.path(&format!("providers/{id}"))
}
