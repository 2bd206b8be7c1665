//! How often the keys of a tenant were allowed and refused together.
//!
//! Each count is added once for each length of step, so that a series is read from rows that are its points.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use keystile_core::usage::{Latency, Span, Step, Sum};
use keystile_core::{Code, Environment, KeyUsage, TenantId};

use crate::tx::Tx;
use crate::usage::{Adding, read_sum};
use crate::value::Value;
use crate::{Store, StoreError};

/// A tenant's decisions of one kind in one step: how long that is in minutes, and its first one.
type Place = (TenantId, i64, i64, Environment, Code, Latency);

static ADD: LazyLock<Adding> = LazyLock::new(|| {
    Adding::to("tenant_usage", &["tenant_id", "step", "minute", "environment", "code", "latency"])
});

const SERIES: &str = "SELECT minute AS starts, code, latency, CAST(SUM(counted) AS BIGINT) AS counted
    FROM tenant_usage WHERE tenant_id = $1 AND step = $2 AND minute >= $3 AND minute < $4
        AND (environment = $5 OR $5 IS NULL)
    GROUP BY 1, 2, 3";
const SWEEP: &str = "DELETE FROM tenant_usage WHERE (tenant_id, step, minute, environment, code, latency) IN
    (SELECT tenant_id, step, minute, environment, code, latency FROM tenant_usage
        WHERE minute < $1 AND minute + step <= $1 ORDER BY minute LIMIT 1000)";

impl Store {
    /// What was counted of all keys of a tenant, or of those of one environment, step by step; steps without any count are
    /// left out.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tenant_usage(
        &self,
        tenant_id: TenantId,
        environment: Option<Environment>,
        span: Span,
    ) -> Result<Vec<Sum>, StoreError> {
        let (first, end) = span.minutes();
        let args = [
            Value::text(tenant_id),
            span.step().minutes().into(),
            first.into(),
            end.into(),
            Value::opt_text(environment),
        ];
        self.read(args, |args, tx| Box::pin(read_series(args, tx))).await
    }
}

/// Adds what was counted of keys to the counts of their tenants.
pub(crate) async fn add(counts: &[KeyUsage], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut sums = BTreeMap::<Place, u64>::new();
    for (counted, step) in counts.iter().flat_map(|counted| Step::ALL.iter().map(move |step| (counted, step)))
    {
        *sums.entry(place(counted, *step)).or_default() += counted.count;
    }
    ADD.add(sums.iter().map(values).collect(), tx).await
}

/// Removes some of the steps that ended before a minute.
pub(crate) async fn sweep(minute: &[Value], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, minute).await
}

async fn read_series(args: &[Value; 5], tx: &mut Tx<'_>) -> Result<Vec<Sum>, StoreError> {
    tx.query(SERIES, args).await?.into_iter().map(read_sum).collect()
}

fn place(counted: &KeyUsage, step: Step) -> Place {
    let minute = i64::from(counted.minute.number());
    let starts = minute - minute % step.minutes();
    (counted.tenant_id, step.minutes(), starts, counted.environment, counted.code, counted.latency)
}

fn values(((tenant_id, step, minute, environment, code, latency), count): (&Place, &u64)) -> Vec<Value> {
    vec![
        Value::text(tenant_id),
        (*step).into(),
        (*minute).into(),
        Value::text(environment),
        Value::text(code),
        Value::text(latency),
        Value::count(Some(*count)),
    ]
}
