//! The page of a webhook: what it is, how deliveries go, and what can be done about them.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use keystile_core::webhook::WebhookPatch;
use keystile_core::{Delivery, DeliveryId, DeliveryState, Invalid, Timestamp, Webhook, WebhookId};
use keystile_manage::{Caller, DeliveryQuery, Names, VersionGuard};
use keystile_store::Redelivery;
use keystile_wire::{DeliveryListQuery, WebhookTestView};

use super::super::form::Form;
use super::super::page::{go_to, page};
use super::super::shell::Shell;
use super::super::sought::{Asked, Sought};
use super::super::visitor::Inside;
use super::super::{assets, parts, words};
use super::{environments_told, events_told};
use keystile_web::App;
use keystile_web::api::webhooks::listed;
use keystile_web::api::{Answer, page_of};
use keystile_web::extract::PathId;

/// Deliveries are kept so long, so this is since ever.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Template)]
#[template(path = "webhooks/show.html")]
struct Show {
    shell: Shell,
    webhook: Webhook,
    deliveries: Vec<Delivery>,
    /// What the keys are called that they are about.
    names: Names,
    asked: Asked,
    next: Option<String>,
    /// How the message of the test button went, in the answer to it.
    tested: Option<WebhookTestView>,
}

impl Show {
    async fn read(
        app: &App,
        (caller, shell): (&Caller, Shell),
        id: WebhookId,
        Sought { query, asked }: Sought<DeliveryListQuery>,
    ) -> Answer<Self> {
        let webhook = app.control.webhook(caller, id).await?;
        let (which, limit) = page_of::<DeliveryId>(query.limit, query.cursor.as_deref())?;
        let DeliveryListQuery { state, key_id, .. } = query;
        let wanted = DeliveryQuery { webhook_id: Some(id), state, key_id };
        let listed = listed(app.control.deliveries(caller, &wanted, which).await?, limit);
        let names = app.control.names_in_deliveries(caller, &listed.data).await?;
        // The answer to a test stands elsewhere, and leads on from here.
        let own = shell.path(&format!("webhooks/{id}"));
        let next = listed.next_cursor.map(|cursor| own + &asked.with("cursor", &cursor));
        Ok(Self { shell, webhook, deliveries: listed.data, names, asked, next, tested: None })
    }

    fn path(&self) -> String {
        self.shell.path(&format!("webhooks/{}", self.webhook.id))
    }

    /// What the key is called that a message is about; its id if nobody knows.
    fn key_name(&self, delivery: &Delivery) -> String {
        let id = delivery.key_id.to_string();
        self.names.of(&id).unwrap_or(&id).to_owned()
    }

    /// Why it is off, and what helps.
    fn off_because(&self) -> Option<&'static str> {
        self.webhook.disabled.map(|(_, why)| words::why_disabled(why).what)
    }

    fn off_since(&self) -> Option<Timestamp> {
        self.webhook.disabled.map(|(at, _)| at)
    }

    fn has_given_up(&self) -> bool {
        self.deliveries.iter().any(|delivery| delivery.state == DeliveryState::Failed)
    }
}

/// The page of a webhook.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    sought: Sought<DeliveryListQuery>,
) -> Answer {
    page(&Show::read(&app, (&caller, shell), id, sought).await?)
}

/// Sends a message at once, and shows on the same page how that went.
pub(super) async fn test(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    Form(_): Form,
) -> Answer {
    let target = app.control.webhook_to_test(&caller, id).await?;
    let tested = Some(WebhookTestView::from(app.courier.test(&target).await?));
    let sought = Sought { query: DeliveryListQuery::default(), asked: Asked::default() };
    let shown = Show::read(&app, (&caller, shell), id, sought).await?;
    page(&Show { tested, ..shown })
}

/// Sends to it again, first what waits.
pub(super) async fn enable(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    Form(_): Form,
) -> Answer {
    let patch = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    app.control.patch_webhook(&caller, id, patch, VersionGuard(None)).await?;
    app.courier.look(id);
    back(&shell, id, "webhook-enabled")
}

/// Sends nothing to it any more.
pub(super) async fn disable(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    Form(_): Form,
) -> Answer {
    let patch = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    app.control.patch_webhook(&caller, id, patch, VersionGuard(None)).await?;
    back(&shell, id, "webhook-disabled")
}

/// Sends one delivery anew, or all that were given up.
pub(super) async fn redeliver(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<WebhookId>,
    Form(fields): Form,
) -> Answer {
    let which = match fields.filled("delivery_id") {
        Some(one) => {
            let named = one.parse().map_err(|invalid: Invalid| invalid.at("delivery_id"))?;
            Redelivery::One(named)
        }
        None => Redelivery::FailedSince(shell.now.minus(KEPT)),
    };
    app.control.redeliver(&caller, id, which).await?;
    app.courier.look(id);
    back(&shell, id, "redelivered")
}

fn back(shell: &Shell, id: WebhookId, told: &str) -> Answer {
    go_to(&shell.path(&format!("webhooks/{id}?told={told}")), shell.surroundings)
}
