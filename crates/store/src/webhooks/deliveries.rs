//! The log of deliveries, and sending some of them anew.

use keystile_core::{Delivery, DeliveryId, DeliveryState, KeyId, TenantId, Timestamp, WebhookId};

use super::rows::{self, delivery_columns, read_delivery};
use super::{HOLD, RESUME, lock, read_one};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

const PAGE: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE tenant_id = $1 AND id < $2
        AND (webhook_id = $4 OR $4 IS NULL)
        AND (state = $5 OR $5 IS NULL)
        AND (key_id = $6 OR $6 IS NULL)
    ORDER BY id DESC LIMIT $3"
);
const ONE_ANEW: &str =
    "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, first_tried_at = NULL, due_at = NULL
    WHERE tenant_id = $1 AND webhook_id = $2 AND id = $3";
const FAILED_ANEW: &str =
    "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, first_tried_at = NULL, due_at = NULL
    WHERE tenant_id = $1 AND webhook_id = $2 AND made_at >= $3 AND state = 'failed'";

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

/// What is to be sent anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// This one, whatever became of it.
    One(DeliveryId),
    /// All that were given up and made then or later.
    FailedSince(Timestamp),
}

impl Store {
    /// A page of the tenant's deliveries, the last that were made first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn deliveries(
        &self,
        tenant_id: TenantId,
        filter: &DeliveryFilter,
        page: Page<DeliveryId>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let args = [
            Value::text(tenant_id),
            page.below(),
            page.limit(),
            Value::opt_text(filter.webhook_id),
            Value::opt_text(filter.state),
            Value::opt_text(filter.key_id),
        ];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }

    /// Lets deliveries to a webhook be sent anew, with all else that waits for it, from `now` on; if it is off, when it is
    /// switched on. Tells how many; nothing if there is no such webhook.
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

async fn read_page(args: &[Value; 6], tx: &mut Tx<'_>) -> Result<Vec<Delivery>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(|mut row| read_delivery(&mut row)).collect()
}

async fn redeliver(
    of: &[Value; 2],
    which: Redelivery,
    now: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<Option<u64>, StoreError> {
    let [tenant, webhook] = of;
    lock(tenant, tx).await?;
    let Some(kept) = read_one(rows::ONE, of, tx).await? else { return Ok(None) };
    let (sql, wanted) = match which {
        Redelivery::One(id) => (ONE_ANEW, Value::text(id)),
        Redelivery::FailedSince(at) => (FAILED_ANEW, at.into()),
    };
    let count = tx.execute(sql, &[tenant.clone(), webhook.clone(), wanted]).await?;
    if count > 0 && kept.webhook.disabled.is_none() {
        tx.execute(HOLD, std::slice::from_ref(webhook)).await?;
        tx.execute(RESUME, &[webhook.clone(), now.into()]).await?;
    }
    Ok(Some(count))
}
