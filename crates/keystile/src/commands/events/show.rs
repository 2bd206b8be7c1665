//! `keystile events show`.

use clap::Args;
use keystile_core::EventId;
use keystile_wire::EventView;

use crate::commands::context::Context;
use crate::commands::output::Report;
use crate::commands::table::{fields, json_lines};
use crate::failure::Failure;

/// Shows one event with all that it tells.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id, as `keystile events list` shows it.
    #[arg(value_name = "EVENT_ID")]
    id: EventId,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.event(tenant, self.id).await?, sheet, None)
    }
}

fn sheet(event: &EventView) -> String {
    let facts = fields(&[
        ("id", event.id.to_string()),
        ("type", event.event_type.clone()),
        ("entity", format!("{}/{}", event.entity.entity_type, event.entity.id)),
        ("occurred", event.occurred_at.to_string()),
        ("received", event.received_at.to_string()),
        ("source", event.source_id.clone()),
        ("its own id", event.source_event_id.clone().unwrap_or_else(|| "-".to_owned())),
        ("trust level", event.trust_level.to_string()),
        ("environment", event.environment.to_string()),
        ("application", event.application_id.to_string()),
        ("key", event.key_id.to_string()),
    ]);
    format!("{facts}\n{}", json_lines(event.data.get()))
}
