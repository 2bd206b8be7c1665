//! What verification reads: many keys by their digests at once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use keystile_core::{
    AllowedIps, Budget, Digest, Grants, KeyFacts, KeyReading, KeyStatus, LineageLimits, NanoUsd, RateLimit,
    Rates, SharedRates,
};

use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, record};

/// How many digests one statement asks for. Fewer are filled up with repeats, so that there are only as
/// many statements to keep prepared; the largest bounds the text of one.
const SIZES: [usize; 4] = [1, 8, 64, 256];

const SELECT: &str = "SELECT k.digest, k.id, k.tenant_id, k.application_id, k.customer_id, k.environment, k.kind,
    k.issued_to_service, k.issued_to_user_id, k.allowed_models, k.source_id, k.trust_level, k.scopes, k.allowed_ips,
    k.metadata, k.enabled, k.blocked_reason, k.revoked_at, k.deleted_at, k.expires_at, k.lineage_id, k.tpm_limit,
    k.max_budget_nano_usd, k.budget_period, k.rpm_limit, k.rate_limits, c.rpm_limit,
    c.rate_limits, a.rpm_limit, a.rate_limits, t.rpm_limit, t.rate_limits,
    t.log_requests
    FROM api_keys k
    JOIN tenants t ON t.id = k.tenant_id
    JOIN applications a ON a.tenant_id = k.tenant_id AND a.id = k.application_id
    LEFT JOIN customers c ON c.tenant_id = k.tenant_id AND c.id = k.customer_id
    WHERE k.digest IN ($1";

static STATEMENTS: LazyLock<[String; 4]> = LazyLock::new(|| SIZES.map(statement));

impl Store {
    /// The facts and shared limits of every key that one of `digests` belongs to; digests nobody has are left out. The only
    /// look-up that knows no tenant. Sees everything that was committed before the call.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn facts_by_digest(&self, digests: Vec<Digest>) -> Result<Vec<KeyReading>, StoreError> {
        self.read(digests, |digests, tx| Box::pin(find(digests, tx))).await
    }
}

async fn find(digests: &[Digest], tx: &mut Tx<'_>) -> Result<Vec<KeyReading>, StoreError> {
    let mut found = Vec::with_capacity(digests.len());
    for chunk in digests.chunks(SIZES[SIZES.len() - 1]) {
        let (size, statement) = fitting(chunk.len());
        let repeats = std::iter::repeat_n(chunk[0], size - chunk.len());
        let values: Vec<Value> = chunk.iter().copied().chain(repeats).map(Value::from).collect();
        for row in tx.query(statement, &values).await? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

fn fitting(count: usize) -> (usize, &'static str) {
    let last = SIZES.len() - 1;
    let index = SIZES.iter().position(|size| *size >= count).unwrap_or(last);
    (SIZES[index], &STATEMENTS[index])
}

fn statement(size: usize) -> String {
    let mut sql = SELECT.to_owned();
    for place in 2..=size {
        // Writing to a text cannot fail.
        let _written = write!(sql, ", ${place}");
    }
    sql.push(')');
    sql
}

fn read(mut row: Row) -> Read<KeyReading> {
    let row = &mut row;
    let digest = row.digest("digest")?;
    let facts = KeyFacts {
        id: row.parsed("id")?,
        tenant_id: row.parsed("tenant_id")?,
        application_id: row.parsed("application_id")?,
        customer_id: row.opt_parsed("customer_id")?,
        environment: row.parsed("environment")?,
        kind: record::read_kind(row)?,
        source_id: row.opt_text("source_id")?.map(Into::into),
        trust_level: row.parsed("trust_level")?,
        scopes: row.list("scopes", Grants::parse)?,
        allowed_ips: row.list("allowed_ips", AllowedIps::parse)?,
        metadata: row.text("metadata")?.into(),
        standing: KeyStatus::Active,
        expires_at: None,
        blocked: false,
        limits: None,
    };
    let enabled = row.truth("enabled")?;
    let blocked = row.opt_text("blocked_reason")?.is_some();
    let ended = row.opt_time("revoked_at")?.is_some() | row.opt_time("deleted_at")?.is_some();
    let standing = match (ended, enabled) {
        (true, _) => KeyStatus::Revoked,
        (false, true) => KeyStatus::Active,
        (false, false) => KeyStatus::Inactive,
    };
    let expires_at = row.opt_time("expires_at")?;
    let limits = read_limits(row)?.if_needed(&facts.kind);
    let facts = KeyFacts { blocked, standing, expires_at, limits, ..facts };
    let (customer, application, tenant) = (read_rates(row)?, read_rates(row)?, read_rates(row)?);
    let log_requests = row.parsed("log_requests")?;
    Ok(KeyReading {
        digest,
        facts,
        shared_rates: SharedRates { customer, application, tenant, log_requests },
    })
}

/// Reads six columns, from the lineage to the limits on requests.
fn read_limits(row: &mut Row) -> Read<LineageLimits> {
    let lineage_id = row.parsed("lineage_id")?;
    let tokens = row.opt_count("tpm_limit")?;
    let max = row.opt_int("max_budget_nano_usd")?.map(NanoUsd::from_nanos);
    let period = row.parsed("budget_period")?;
    let budget = max.map(|max| Budget { max, period });
    Ok(LineageLimits { lineage_id, rates: read_rates(row)?, tokens, budget })
}

/// Reads two columns, both of which are empty where nobody is joined. Nearly nobody has a list.
fn read_rates(row: &mut Row) -> Read<Rates> {
    let rpm = row.opt_count("rpm_limit")?;
    match row.opt_text("rate_limits")?.as_deref() {
        None | Some("[]") => Ok(Rates::new(rpm, &[])),
        Some(list) => {
            let corrupt = |_| StoreError::Corrupt("column `rate_limits` is not a list of limits".to_owned());
            Ok(Rates::new(rpm, &serde_json::from_str::<Vec<RateLimit>>(list).map_err(corrupt)?))
        }
    }
}
