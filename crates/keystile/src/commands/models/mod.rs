//! `keystile models`: what a tenant offers of its providers' language models, and what that costs.

mod import;
mod price;
mod set;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, ModelId, ModelName, ProviderId};
use keystile_wire::{ModelListQuery, ModelView, PageQuery};

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::table::{fields, table};
use crate::failure::Failure;

/// Manages the language models that a tenant offers, and their prices, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile models import prv_01J8Z3V5N0QK7Y2M4T6B8D9FGH --builtin
  keystile models import prv_01J8Z3V5N0QK7Y2M4T6B8D9FGH model_prices_and_context_window.json --name gpt-4o --dry-run
  keystile models create prv_01J8Z3V5N0QK7Y2M4T6B8D9FGH llama-3.3-70b --input 0.59 --output 0.79 --context-window 128000
  keystile models edit mdl_01J8Z3V5N0QK7Y2M4T6B8D9FGH --input 0.55 --output 0.79
  keystile models prices mdl_01J8Z3V5N0QK7Y2M4T6B8D9FGH

Prices of tokens are US dollars for a million. A model without a price serves no key with a budget.")]
pub(crate) struct ModelsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Show(Show),
    Create(Box<set::Create>),
    #[command(visible_alias = "edit")]
    Update(Box<set::Update>),
    Delete(Delete),
    Prices(Prices),
    Import(import::Import),
}

/// Lists models, newest first.
#[derive(Debug, Args)]
struct List {
    /// Only models of this provider.
    #[arg(long, value_name = "PROVIDER_ID")]
    provider: Option<ProviderId>,
    /// Only models whose name contains this.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    #[command(flatten)]
    pages: Pages,
}

/// Which model a command is about.
#[derive(Debug, Args)]
struct Which {
    /// Its id, as `keystile models list` shows it.
    #[arg(value_name = "MODEL_ID")]
    id: ModelId,
}

/// Shows a model.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    which: Which,
}

/// Takes a model away. Its prices are kept, as spending is told by them. For admins.
#[derive(Debug, Args)]
struct Delete {
    #[command(flatten)]
    which: Which,
}

/// Lists every price that a model has had at its provider, the last first.
#[derive(Debug, Args)]
struct Prices {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pages: Pages,
}

/// Runs `keystile models …`.
pub(crate) async fn run(command: ModelsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Create(create) => create.run(&context).await,
        Action::Update(update) => update.run(&context).await,
        Action::Delete(delete) => delete.run(&context).await,
        Action::Prices(prices) => prices.run(&context).await,
        Action::Import(import) => import.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let wanted = ModelListQuery { provider_id: self.provider, q: self.q, ..ModelListQuery::default() };
        let page = async |limit, cursor| {
            client.models(tenant, &ModelListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(
            &listing,
            rows,
            "There is none like that. Make some: keystile models import PROVIDER_ID --builtin",
        )
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.model(tenant, self.which.id).await?, sheet, None)
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.which.id;
        let tenant = context.session.tenant().await?;
        context.session.client.delete_model(tenant, id).await?;
        let document = serde_json::json!({ "id": id, "is_deleted": true });
        Report::done(context.form(), &document, &format!("{id} is deleted."))
    }
}

impl Prices {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let id = self.which.id;
        let page = async |limit, cursor| client.model_prices(tenant, id, &PageQuery { limit, cursor }).await;
        let listing = self.pages.read(page).await?;
        context.list(
            &listing,
            price::rows,
            "It never had a price. Give it one: keystile models edit MODEL_ID",
        )
    }
}

fn rows(models: &[ModelView]) -> String {
    let row = |model: &ModelView| {
        let [input, output] = price::in_short(model.price.as_ref());
        let state = if model.enabled { "on" } else { "off" };
        [
            model.id.to_string(),
            model.name.to_string(),
            input,
            output,
            model.rank.to_string(),
            state.to_owned(),
            model.provider_id.to_string(),
        ]
    };
    let rows: Vec<_> = models.iter().map(row).collect();
    table(["ID", "NAME", "INPUT $/M", "OUTPUT $/M", "RANK", "STATE", "PROVIDER"], &rows)
}

fn sheet(model: &ModelView) -> String {
    let count = |tokens: Option<u64>| tokens.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let aliases: Vec<_> = model.aliases.iter().map(ModelName::as_str).collect();
    let aliases = if aliases.is_empty() { "none".to_owned() } else { aliases.join(", ") };
    let encoding = model.encoding.map_or_else(|| "unknown".to_owned(), |encoding| encoding.to_string());
    let mut pairs = vec![
        ("id", model.id.to_string()),
        ("name", model.name.to_string()),
        ("aliases", aliases),
        ("provider", model.provider_id.to_string()),
        ("called there", model.upstream_name.to_string()),
        ("rank", model.rank.to_string()),
        ("context window", count(model.context_window)),
        ("output at most", count(model.max_output_tokens)),
        ("encoding", encoding),
        ("state", if model.enabled { "on" } else { "off" }.to_owned()),
    ];
    pairs.extend(price::lines(model.price.as_ref(), model.price_version));
    pairs.push(("made", model.created_at.to_string()));
    pairs.push(("changed", model.updated_at.to_string()));
    pairs.push(("version", model.version.to_string()));
    fields(&pairs)
}
