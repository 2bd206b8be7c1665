//! What a tenant has, in figures.

use keystile_core::KeyKind;
use keystile_core::overview::{Attention, Horizon, KeyFigures, KeyGroup, Overview, StatusCounts};
use keystile_core::quota::Day;
use keystile_core::{KeyStatus, TenantId};

use crate::quota::near::{NEAR, read_near};
use crate::quota::rows::day_value;
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// Read from an index alone, in its order. `$2` is the present; an active key is enabled, not revoked and not expired.
const KEYS: &str = "SELECT environment, trust_level, kind, enabled, COUNT(*) AS every,
        COUNT(*) FILTER (WHERE revoked_at IS NOT NULL) AS revoked,
        COUNT(*) FILTER (WHERE revoked_at IS NULL AND expires_at <= $2) AS expired,
        COUNT(*) FILTER (WHERE revoked_at IS NULL AND expires_at <= $2 AND expires_at > $3) AS expired_lately,
        COUNT(*) FILTER (WHERE revoked_at IS NULL AND expires_at > $2 AND expires_at <= $4) AS expiring_soon,
        COUNT(*) FILTER (WHERE revoked_at IS NULL AND expires_at > $2 AND expires_at <= $5) AS expiring,
        COUNT(*) FILTER (WHERE secret_created_at <= $6 AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > $2)) AS rotation_due,
        COUNT(*) FILTER (WHERE blocked_reason IS NOT NULL AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > $2)) AS blocked
    FROM api_keys WHERE tenant_id = $1 AND deleted_at IS NULL GROUP BY environment, trust_level, kind, enabled";
/// A key is never used before it is made, so whoever was not used since was made before, too.
const UNUSED: &str = "SELECT COUNT(*) AS for_30_days,
        COUNT(*) FILTER (WHERE used_order <= $4 AND created_at <= $4) AS for_90_days
    FROM api_keys WHERE tenant_id = $1 AND deleted_at IS NULL AND used_order <= $3 AND created_at <= $3
        AND enabled = 1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
const APPLICATIONS: &str =
    "SELECT COUNT(*) AS counted FROM applications WHERE tenant_id = $1 AND archived_at IS NULL";
const CUSTOMERS: &str =
    "SELECT COUNT(*) AS counted FROM customers WHERE tenant_id = $1 AND archived_at IS NULL";
const MEMBERS: &str = "SELECT COUNT(*) AS counted FROM memberships WHERE tenant_id = $1";
const INVITATIONS: &str =
    "SELECT COUNT(*) AS counted FROM invitations WHERE tenant_id = $1 AND expires_at > $2";

impl Store {
    /// Counts what a tenant has. Reads something of each of its keys and customers, but none of their rows, and of each budget that is in use
    /// its row and that of a key.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn overview(&self, tenant_id: TenantId, horizon: Horizon) -> Result<Overview, StoreError> {
        self.read((tenant_id, horizon), |args, tx| Box::pin(count(args, tx))).await
    }
}

async fn count((tenant_id, horizon): &(TenantId, Horizon), tx: &mut Tx<'_>) -> Result<Overview, StoreError> {
    let Horizon { now, in_7_days, in_30_days, ago_30_days, ago_90_days, due } = *horizon;
    let tenant = || Value::text(tenant_id);
    let keys = [tenant(), now.into(), ago_30_days.into(), in_7_days.into(), in_30_days.into(), due.into()];
    let unused = [tenant(), now.into(), ago_30_days.into(), ago_90_days.into()];
    let open = [tenant(), now.into()];
    let of_tenant = [tenant()];
    let present = [tenant(), now.into(), day_value(Day::of(now))];
    let batch: [Statement<'_>; 7] = [
        (KEYS, &keys),
        (UNUSED, &unused),
        (APPLICATIONS, &of_tenant),
        (CUSTOMERS, &of_tenant),
        (MEMBERS, &of_tenant),
        (INVITATIONS, &open),
        (NEAR, &present),
    ];
    let mut answers = tx.pipeline(&batch).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let mut keys = KeyFigures::none();
    for row in next() {
        keys.add(&read_group(row)?);
    }
    for mut row in next() {
        keys.attention.unused_for_30_days = counted(&mut row, "for_30_days")?;
        keys.attention.unused_for_90_days = counted(&mut row, "for_90_days")?;
    }
    let mut single = || next().into_iter().map(|mut row| counted(&mut row, "counted")).sum::<Read<u64>>();
    let (applications, customers) = (single()?, single()?);
    let (members, invitations) = (single()?, single()?);
    let budgets = read_near(next())?;
    Ok(Overview { counted_at: now, keys, applications, customers, members, invitations, budgets })
}

/// Keys that are alike, but for their end. Those that are switched off need no attention.
fn read_group(mut row: Row) -> Read<KeyGroup> {
    let environment = row.parsed("environment")?;
    let trust_level = row.parsed("trust_level")?;
    let kind = read_kind(&row.text("kind")?)?;
    let enabled = row.truth("enabled")?;
    let mut next = |column| counted(&mut row, column);
    let (every, revoked, expired) = (next("every")?, next("revoked")?, next("expired")?);
    let attention = Attention {
        expired_in_30_days: next("expired_lately")?,
        expiring_in_7_days: next("expiring_soon")?,
        expiring_in_30_days: next("expiring")?,
        rotation_due: next("rotation_due")?,
        blocked: next("blocked")?,
        ..Attention::default()
    };
    let only_expired = Attention { expired_in_30_days: attention.expired_in_30_days, ..Attention::default() };
    let mut counts = StatusCounts { revoked, expired, ..StatusCounts::default() };
    *counts.of(if enabled { KeyStatus::Active } else { KeyStatus::Inactive }) = every - revoked - expired;
    let attention = if enabled { attention } else { only_expired };
    Ok(KeyGroup { environment, trust_level, kind, counts, attention })
}

fn read_kind(name: &str) -> Read<&'static str> {
    let known = KeyKind::NAMES.into_iter().find(|known| *known == name);
    known.ok_or_else(|| StoreError::Corrupt("column `kind` has no known form".to_owned()))
}

fn counted(row: &mut Row, column: &str) -> Read<u64> {
    Ok(row.opt_count(column)?.unwrap_or(0))
}
