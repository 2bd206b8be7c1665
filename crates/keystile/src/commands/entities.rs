//! `keystile entities`: what is known of the things that events are about.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, EntityName, Environment};
use keystile_wire::{EntityListQuery, EntityQuery, EntityView};

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::table::{fields, table};
use super::words::environment;
use crate::failure::Failure;

/// Lists and shows entities, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile entities list --type customer
  keystile entities show customer/4711 --environment staging")]
pub(crate) struct EntitiesCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Show(Show),
}

/// Lists entities by type and id.
#[derive(Debug, Args)]
struct List {
    /// What is known in this environment; `production` by default.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Only entities of this type.
    #[arg(long = "type", value_name = "TYPE")]
    entity_type: Option<String>,
    #[command(flatten)]
    pages: Pages,
}

/// Shows what is known of an entity: the last values, and who said them when.
#[derive(Debug, Args)]
struct Show {
    /// Its name.
    #[arg(value_name = "TYPE/ID", value_parser = EntityName::parse)]
    name: EntityName,
    /// What is known in this environment; `production` by default.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
}

/// Runs `keystile entities …`.
pub(crate) async fn run(command: EntitiesCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Show(show) => show.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let Self { environment, entity_type, pages } = self;
        let wanted = EntityListQuery { environment, entity_type, ..EntityListQuery::default() };
        let page = async |limit, cursor| {
            client.entities(tenant, &EntityListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = pages.read(page).await?;
        context.list(&listing, rows, "There is none like that; those of other environments: --environment.")
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let query = EntityQuery { environment: self.environment };
        context.record(&context.session.client.entity(tenant, &self.name, &query).await?, sheet, None)
    }
}

fn rows(entities: &[EntityView]) -> String {
    let row = |entity: &EntityView| {
        [
            entity.entity_type.clone(),
            entity.id.clone(),
            entity.last_seen_at.to_string(),
            entity.source_id.clone(),
            entity.trust_level.to_string(),
            entity.event_count.to_string(),
        ]
    };
    table(
        ["TYPE", "ID", "LAST SEEN", "LAST WRITER", "TRUST", "EVENTS"],
        &entities.iter().map(row).collect::<Vec<_>>(),
    )
}

fn sheet(entity: &EntityView) -> String {
    let facts = fields(&[
        ("entity", format!("{}/{}", entity.entity_type, entity.id)),
        ("environment", entity.environment.to_string()),
        ("first seen", entity.first_seen_at.to_string()),
        ("last seen", entity.last_seen_at.to_string()),
        ("last writer", format!("{} ({})", entity.source_id, entity.trust_level)),
        ("events", entity.event_count.to_string()),
    ]);
    let known = entity.state.iter().map(|(name, value)| {
        let said = entity.fields.get(name);
        [
            name.clone(),
            value.get().to_owned(),
            said.map(|said| said.occurred_at.to_string()).unwrap_or_default(),
            said.map(|said| format!("{} ({})", said.source_id, said.trust_level)).unwrap_or_default(),
        ]
    });
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        return facts;
    }
    format!("{facts}\n{}", table(["FIELD", "VALUE", "SINCE", "SAID BY"], &known))
}
