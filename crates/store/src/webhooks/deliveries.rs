//! The log of deliveries, and sending some of them anew.

use std::collections::BTreeSet;

use keystile_core::{Delivery, DeliveryId, DeliveryState, KeyId, TenantId, Timestamp, WebhookId};

use super::due::PROMOTE;
use super::rows::{self, delivery_columns, read_delivery};
use super::{lock, read_one};
use crate::page::{MAX_LIMIT, unseen};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

/// Most deliveries that are looked at for one page of a list: some ten milliseconds. A filter that few pass leads on.
const SCAN: u32 = 5_000;
/// Most deliveries that [`Store::redeliver`] lets be sent anew at a time, for whom others wait.
pub const MOST_REDELIVERED: u64 = 500;

/// Those that are looked at, of a tenant (`$2` is behind them) or of one of its webhooks, with what of them a list shows. What waits
/// for a webhook that is off has no moment at which it is tried.
macro_rules! looked_at {
    ($more:literal) => {
        concat!(
            "SELECT ",
            delivery_columns!(),
            " FROM (SELECT ",
            delivery_columns!(
                "CASE WHEN EXISTS (SELECT 1 FROM webhooks WHERE webhooks.tenant_id = webhook_deliveries.tenant_id
                    AND webhooks.id = webhook_deliveries.webhook_id AND webhooks.disabled_at IS NULL)
                    THEN due_at END AS due_at"
            ),
            " FROM webhook_deliveries WHERE tenant_id = $1 AND id < $2",
            $more,
            " ORDER BY id DESC LIMIT ",
            unseen!("$3"),
            ") AS looked_at
            WHERE (state = $5 OR $5 IS NULL) AND (key_id = $6 OR $6 IS NULL) ORDER BY id DESC LIMIT $4"
        )
    };
}
/// The last one that is looked at, if there are so many.
macro_rules! end {
    ($more:literal) => {
        concat!(
            "SELECT id FROM webhook_deliveries WHERE tenant_id = $1 AND id < $2",
            $more,
            " ORDER BY id DESC LIMIT 1 OFFSET ",
            unseen!("$3")
        )
    };
}

const ONE_ANEW: &str =
    "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, first_tried_at = NULL, due_at = NULL
    WHERE tenant_id = $1 AND webhook_id = $2 AND id = $3 RETURNING key_id";
pub(crate) const FAILED_ANEW: &str =
    "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, first_tried_at = NULL, due_at = NULL
    WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM webhook_deliveries
        WHERE tenant_id = $1 AND webhook_id = $2 AND state = 'failed' AND made_at >= $3 ORDER BY id LIMIT 500)
    RETURNING key_id";
/// Before the first of a key is found anew. In this form SQLite looks at those of the key, and not at all that are due.
pub(crate) const NONE_OF_KEY: &str = "UPDATE webhook_deliveries SET due_at = NULL
    WHERE webhook_id = $1 AND key_id = $2 AND state = 'pending' AND COALESCE(due_at, 0) <> 0";
const ALL_NOW: &str = "UPDATE webhook_deliveries SET due_at = made_at WHERE webhook_id = $1 AND due_at > $2";

/// Which deliveries a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// To this webhook.
    pub webhook_id: Option<WebhookId>,
    /// With this end so far.
    pub state: Option<DeliveryState>,
    /// About this key.
    pub key_id: Option<KeyId>,
}

/// What was found in a part of a list.
#[derive(Debug)]
pub struct DeliveriesFound {
    /// The deliveries, the last that were made first.
    pub deliveries: Vec<Delivery>,
    /// Where to look on, if the part ended before the page was full.
    pub looked_to: Option<DeliveryId>,
}

/// What is to be sent anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// This one, whatever became of it.
    One(DeliveryId),
    /// All that were given up and made then or later.
    FailedSince(Timestamp),
}

impl Store {
    /// A page of the tenant's deliveries, the last that were made first. No more than 5,000 are looked at for it.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn deliveries(
        &self,
        tenant_id: TenantId,
        filter: &DeliveryFilter,
        page: Page<DeliveryId>,
    ) -> Result<DeliveriesFound, StoreError> {
        let args = (tenant_id, filter.clone(), page);
        self.read(args, |(tenant_id, filter, page), tx| {
            Box::pin(read_page(looks(*tenant_id, filter, page), page.limit, tx))
        })
        .await
    }

    /// Lets deliveries to a webhook be sent anew, [`MOST_REDELIVERED`] at the most, with all else that waits for it, from `now`
    /// on; if it is off, when it is switched on. Tells how many; nothing if there is no such webhook.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn redeliver(
        &self,
        tenant_id: TenantId,
        webhook_id: WebhookId,
        which: Redelivery,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(webhook_id)], which, now);
        self.write_quietly(args, |(of, which, now), tx| Box::pin(redeliver(of, *which, *now, tx))).await
    }
}

/// The statement for a page, and that for its end, each with its values.
pub(crate) fn looks(
    tenant_id: TenantId,
    filter: &DeliveryFilter,
    page: &Page<DeliveryId>,
) -> [(&'static str, Vec<Value>); 2] {
    let is_sparse = filter.state.is_some() || filter.key_id.is_some();
    let scanned = if is_sparse { SCAN } else { page.limit.clamp(1, SCAN) };
    let (look, end) = match filter.webhook_id {
        None => (looked_at!(""), end!("")),
        Some(_) => (looked_at!(" AND webhook_id = $7"), end!(" AND webhook_id = $4")),
    };
    let mut of_look = vec![
        Value::text(tenant_id),
        page.below(),
        Value::Int(scanned.into()),
        page.limit(),
        Value::opt_text(filter.state),
        Value::opt_text(filter.key_id),
    ];
    let mut of_end = vec![Value::text(tenant_id), page.below(), Value::Int(i64::from(scanned) - 1)];
    for values in [&mut of_look, &mut of_end] {
        values.extend(filter.webhook_id.map(Value::text));
    }
    [(look, of_look), (end, of_end)]
}

async fn read_page(
    [(look, of_look), (end, of_end)]: [(&'static str, Vec<Value>); 2],
    limit: u32,
    tx: &mut Tx<'_>,
) -> Result<DeliveriesFound, StoreError> {
    let found = tx.query(look, &of_look).await?;
    let deliveries =
        found.into_iter().map(|mut row| read_delivery(&mut row)).collect::<Result<Vec<_>, _>>()?;
    if u32::try_from(deliveries.len()).is_ok_and(|found| found >= limit.min(MAX_LIMIT)) {
        return Ok(DeliveriesFound { deliveries, looked_to: None });
    }
    let looked_to = tx.query_opt(end, &of_end).await?.map(|mut row| row.parsed("id")).transpose()?;
    Ok(DeliveriesFound { deliveries, looked_to })
}

async fn redeliver(
    of: &[Value; 2],
    which: Redelivery,
    now: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<Option<u64>, StoreError> {
    let [tenant, webhook] = of;
    lock(tenant, tx).await?;
    if read_one(rows::ONE, of, tx).await?.is_none() {
        return Ok(None);
    }
    let (sql, wanted) = match which {
        Redelivery::One(id) => (ONE_ANEW, Value::text(id)),
        Redelivery::FailedSince(at) => (FAILED_ANEW, at.into()),
    };
    let anew = tx.query(sql, &[tenant.clone(), webhook.clone(), wanted]).await?;
    let count = anew.len() as u64;
    let keys = anew.into_iter().map(|mut row| row.text("key_id")).collect::<Result<BTreeSet<_>, _>>()?;
    for key in keys {
        let key = Value::Text(key);
        tx.execute(NONE_OF_KEY, &[webhook.clone(), key.clone()]).await?;
        tx.execute(PROMOTE, &[webhook.clone(), key, now.into()]).await?;
    }
    if count > 0 {
        tx.execute(ALL_NOW, &[webhook.clone(), now.into()]).await?;
    }
    Ok(Some(count))
}
