//! `keystile events list`.

use clap::Args;
use keystile_core::{EntityName, Environment, Timestamp};
use keystile_wire::{EventListQuery, EventView};

use crate::commands::context::{Context, Pages};
use crate::commands::moment::Past;
use crate::commands::output::Report;
use crate::commands::table::table;
use crate::commands::words::environment;
use crate::failure::Failure;

/// Lists events, the latest first.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Those of this environment; `production` by default.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Only events of this source.
    #[arg(long, value_name = "SOURCE")]
    source_id: Option<String>,
    /// Only events about this entity.
    #[arg(long, value_name = "TYPE/ID", value_parser = EntityName::parse)]
    entity: Option<EntityName>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only what happened then or later: a time, or a span before now such as `24h`.
    #[arg(long, value_name = "TIME", value_parser = Past::parse)]
    from: Option<Past>,
    /// Only what happened before.
    #[arg(long, value_name = "TIME", value_parser = Past::parse)]
    to: Option<Past>,
    #[command(flatten)]
    pages: Pages,
}

impl List {
    pub(super) async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let wanted = EventListQuery {
            environment: self.environment,
            source_id: self.source_id,
            entity: self.entity.map(|name| name.to_string()),
            event_type: self.event_type,
            from: self.from.map(|from| from.moment(now)),
            to: self.to.map(|to| to.moment(now)),
            ..EventListQuery::default()
        };
        let page = async |limit, cursor| {
            client.events(tenant, &EventListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "There is none like that; events of other environments: --environment.")
    }
}

fn rows(events: &[EventView]) -> String {
    let row = |event: &EventView| {
        [
            event.occurred_at.to_string(),
            event.event_type.clone(),
            format!("{}/{}", event.entity.entity_type, event.entity.id),
            event.source_id.clone(),
            event.trust_level.to_string(),
            event.id.to_string(),
        ]
    };
    table(
        ["OCCURRED", "TYPE", "ENTITY", "SOURCE", "TRUST", "ID"],
        &events.iter().map(row).collect::<Vec<_>>(),
    )
}
