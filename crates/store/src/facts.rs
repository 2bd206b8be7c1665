//! What verification reads: many keys by their digests at once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use keystile_core::{AllowedIps, Digest, Grants, KeyFacts, KeyStatus};

use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, record};

/// How many digests one statement asks for. Fewer are filled up with repeats, so that there are only as
/// many statements to keep prepared; the largest bounds the text of one.
const SIZES: [usize; 4] = [1, 8, 64, 256];

static STATEMENTS: LazyLock<[String; 4]> = LazyLock::new(|| SIZES.map(statement));

impl Store {
    /// The facts of every key that one of `digests` belongs to; digests nobody has are left out. The only
    /// look-up that knows no tenant. Sees everything that was committed before the call.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn facts_by_digest(&self, digests: Vec<Digest>) -> Result<Vec<(Digest, KeyFacts)>, StoreError> {
        self.read(digests, |digests, tx| Box::pin(find(digests, tx))).await
    }
}

async fn find(digests: &[Digest], tx: &mut Tx<'_>) -> Result<Vec<(Digest, KeyFacts)>, StoreError> {
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
    let mut sql =
        "SELECT digest, id, tenant_id, application_id, customer_id, environment, kind, issued_to_service, \
         issued_to_user_id, allowed_models, source_id, trust_level, scopes, allowed_ips, metadata, enabled, \
         blocked_reason, revoked_at, deleted_at, expires_at FROM api_keys WHERE digest IN ($1"
            .to_owned();
    for place in 2..=size {
        // Writing to a text cannot fail.
        let _written = write!(sql, ", ${place}");
    }
    sql.push(')');
    sql
}

fn read(mut row: Row) -> Read<(Digest, KeyFacts)> {
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
    };
    let enabled = row.truth("enabled")?;
    let blocked = row.opt_text("blocked_reason")?.is_some();
    let ended = row.opt_time("revoked_at")?.is_some() | row.opt_time("deleted_at")?.is_some();
    let standing = match (ended, enabled) {
        (true, _) => KeyStatus::Revoked,
        (false, true) => KeyStatus::Active,
        (false, false) => KeyStatus::Inactive,
    };
    Ok((digest, KeyFacts { blocked, standing, expires_at: row.opt_time("expires_at")?, ..facts }))
}
