//! `keystile webhooks deliveries` and `redeliver`.

use clap::Args;
use keystile_core::{DeliveryId, DeliveryState, KeyId, Timestamp, WebhookId};
use keystile_wire::{DeliveryListQuery, DeliveryView};

use super::Which;
use crate::commands::context::{Context, Pages};
use crate::commands::moment::Past;
use crate::commands::output::Report;
use crate::commands::table::table;
use crate::commands::words::delivery_state;
use crate::failure::Failure;

/// Lists what was sent to webhooks in the last 30 days, the last first.
#[derive(Debug, Args)]
pub(super) struct Deliveries {
    /// Only deliveries to this webhook.
    #[arg(long, value_name = "WEBHOOK_ID")]
    webhook: Option<WebhookId>,
    /// Only those of which this became.
    #[arg(long, value_parser = delivery_state())]
    state: Option<DeliveryState>,
    /// Only those about this key.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<KeyId>,
    #[command(flatten)]
    pages: Pages,
}

/// Sends deliveries anew: one, or all that were given up since a time. A receiver knows them by the ids that they had.
#[derive(Debug, Args)]
pub(super) struct Redeliver {
    #[command(flatten)]
    which: Which,
    /// This one, whatever became of it.
    #[arg(long, value_name = "DELIVERY_ID", required_unless_present = "since")]
    delivery: Option<DeliveryId>,
    /// All that were given up since then: a time, or a span before now such as `24h`.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse, conflicts_with = "delivery")]
    since: Option<Past>,
}

impl Deliveries {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let wanted = DeliveryListQuery {
            webhook_id: self.webhook,
            state: self.state,
            key_id: self.key,
            ..DeliveryListQuery::default()
        };
        let page = async |limit, cursor| {
            client.deliveries(tenant, &DeliveryListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "Nothing like that was sent in the last 30 days.")
    }
}

impl Redeliver {
    pub(super) async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let request = keystile_wire::Redeliver {
            delivery_id: self.delivery,
            since: self.since.map(|since| since.moment(now)),
        };
        let done = context.session.client.redeliver(tenant, self.which.id, &request).await?;
        let said = match done.redelivered {
            0 => "Nothing was given up since then.".to_owned(),
            1 => "One delivery is sent anew.".to_owned(),
            count => format!("{count} deliveries are sent anew."),
        };
        Report::done(context.form(), &done, &said)
    }
}

fn rows(deliveries: &[DeliveryView]) -> String {
    let row = |delivery: &DeliveryView| {
        let answer = delivery.last_status.map(|status| status.to_string());
        let answer = answer.or_else(|| delivery.last_error.clone()).unwrap_or_default();
        [
            delivery.happened_at.to_string(),
            delivery.event.to_string(),
            delivery.state.to_string(),
            delivery.attempts.to_string(),
            answer,
            delivery.key_id.to_string(),
            delivery.id.to_string(),
        ]
    };
    table(
        ["HAPPENED", "EVENT", "STATE", "ATTEMPTS", "ANSWER", "KEY", "ID"],
        &deliveries.iter().map(row).collect::<Vec<_>>(),
    )
}
