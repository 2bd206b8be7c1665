//! Last uses and the addresses they came from, written in batches.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use keystile_core::{KeyId, TenantId, Timestamp};

use crate::addresses::{self, Seen};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// How many uses one statement writes. A smaller rest is filled up with repeats, so that there are only as
/// many statements to keep prepared.
const SIZES: [usize; 3] = [1, 16, 128];

static STATEMENTS: LazyLock<[String; 3]> = LazyLock::new(|| SIZES.map(statement));

/// A key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// The key's tenant.
    pub tenant_id: TenantId,
    /// Which key.
    pub key_id: KeyId,
    /// When.
    pub at: Timestamp,
    /// From where, if that is known.
    pub ip: Option<IpAddr>,
}

impl Store {
    /// Notes when and from where keys were last used, and all addresses that the batch has of each, for [`Self::key_addresses`]. Only a
    /// later use than the noted one counts, so batches may come in any order and twice; a key may appear more than once. Nothing is
    /// noted of the record of an unknown key. The version of a key stays.
    ///
    /// # Errors
    /// When the database is unavailable; nothing was noted then.
    pub async fn touch_keys(&self, touches: Vec<Touch>) -> Result<(), StoreError> {
        let args = (addresses::seen(&touches), latest(touches));
        self.write_quietly(args, |(seen, latest), tx| Box::pin(write(seen, latest, tx))).await
    }
}

/// One touch per key, in the order of the keys: two batches that meet lock in the same order.
fn latest(touches: Vec<Touch>) -> Vec<Touch> {
    let mut latest = BTreeMap::<KeyId, Touch>::new();
    for touch in touches {
        let kept = latest.entry(touch.key_id).or_insert(touch);
        if kept.at < touch.at {
            *kept = touch;
        }
    }
    latest.into_values().collect()
}

async fn write(seen: &[Seen], latest: &[Touch], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    write_latest(latest, tx).await?;
    addresses::add(seen, tx).await
}

async fn write_latest(touches: &[Touch], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for chunk in touches.chunks(SIZES[SIZES.len() - 1]) {
        let index = SIZES.iter().position(|size| *size >= chunk.len()).unwrap_or(SIZES.len() - 1);
        let repeats = std::iter::repeat_n(&chunk[0], SIZES[index] - chunk.len());
        let values: Vec<Value> = chunk.iter().chain(repeats).flat_map(values).collect();
        tx.execute(&STATEMENTS[index], &values).await?;
    }
    Ok(())
}

fn values(touch: &Touch) -> [Value; 4] {
    [Value::text(touch.tenant_id), Value::text(touch.key_id), touch.at.into(), Value::opt_text(touch.ip)]
}

/// Both engines call the columns of `VALUES` `column1` and so on.
fn statement(size: usize) -> String {
    let row = |index: usize| {
        let first = 4 * index + 1;
        format!("(${first}, ${}, CAST(${} AS BIGINT), ${})", first + 1, first + 2, first + 3)
    };
    let rows: Vec<_> = (0..size).map(row).collect();
    format!(
        "UPDATE api_keys SET last_used_at = touch.column3, last_used_ip = touch.column4
         FROM (VALUES {}) AS touch
         WHERE api_keys.tenant_id = touch.column1 AND api_keys.id = touch.column2
         AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < touch.column3)",
        rows.join(", ")
    )
}
