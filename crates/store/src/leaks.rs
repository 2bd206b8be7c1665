//! Keys that were reported as leaked, and whose a secret is that was found somewhere.

use std::fmt::Write as _;
use std::sync::LazyLock;

use keystile_core::{ApiKey, AuditEntry, Digest, KeyId, LeakId, LeakReport, LeakSource, OnLeak, TenantId};

use crate::edit::{take, tell};
use crate::keys::{self, Changed};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, record};

const OWNER: &str = "SELECT tenant_id, id FROM api_keys WHERE digest = $1
    UNION ALL SELECT tenant_id, key_id FROM retired_secrets WHERE digest = $1";
const WANTED: &str = "SELECT on_leak FROM tenants WHERE id = $1";
/// Of this secret and from this source, so that what is told of a replaced secret, or by others, hides nothing.
const KNOWN: &str = "SELECT COUNT(*) AS reports,
        COUNT(CASE WHEN COALESCE(place, '') = COALESCE(CAST($4 AS TEXT), '') THEN 1 END) AS alike
    FROM leak_reports WHERE tenant_id = $1 AND key_id = $2 AND source = $3 AND digest = $5";
const INSERT: &str =
    "INSERT INTO leak_reports (tenant_id, id, key_id, reported_at, source, place, done, digest)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// The columns that [`read_report`] takes.
pub(crate) const REPORT: &str = "leak_reports.tenant_id, leak_reports.id, leak_reports.key_id,
    leak_reports.reported_at, leak_reports.source, leak_reports.place, leak_reports.done";
static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {REPORT} FROM leak_reports
         WHERE tenant_id = $1 AND id < $2 AND (key_id = $4 OR $4 IS NULL) ORDER BY id DESC LIMIT $3"
    )
});

/// How many digests one statement asks for. Fewer are filled up with repeats, so that there is one statement to keep
/// prepared.
const DIGESTS: usize = 64;
/// Without an index on tenants in its way, a database finds the few digests by theirs.
static PRESENT: LazyLock<String> = LazyLock::new(|| {
    let select = format!("SELECT {} FROM api_keys WHERE tenant_id || '' = $1", *record::SELECTED);
    select + &among_digests()
});
static REPLACED: LazyLock<String> = LazyLock::new(|| {
    "SELECT digest, key_id FROM retired_secrets WHERE tenant_id || '' = $1".to_owned() + &among_digests()
});

/// Whose a secret is, or was until it was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretOwner {
    /// The key's tenant.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
}

/// What is known of secrets in a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownSecrets {
    /// Keys that have one of them, deleted ones, too.
    pub present: Vec<ApiKey>,
    /// Those that were replaced, with the key that had them.
    pub replaced: Vec<(Digest, KeyId)>,
}

/// What is known of a key that is reported as leaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownReports {
    /// What its tenant wants done.
    pub wanted: OnLeak,
    /// How many reports of this secret there are from the same source.
    pub count: u64,
    /// Whether one of them has the same place.
    pub is_alike: bool,
}

/// A report that is to be kept.
#[derive(Debug, Clone)]
pub struct LeakTaken {
    /// The report.
    pub report: LeakReport,
    /// What the log is told of it.
    pub told: AuditEntry,
    /// What the log is told of the change of the key, if that was changed.
    pub changed: Option<AuditEntry>,
}

impl Store {
    /// Whose a secret is, by its digest, in the whole installation.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn secret_owner(&self, digest: Digest) -> Result<Option<SecretOwner>, StoreError> {
        self.read([Value::from(digest)], |digest, tx| Box::pin(read_owner(digest, tx))).await
    }

    /// What is known of the secrets with these digests in the tenant; digests that are nobody's there are left out.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn known_secrets(
        &self,
        tenant_id: TenantId,
        digests: Vec<Digest>,
    ) -> Result<KnownSecrets, StoreError> {
        self.read((tenant_id, digests), |(tenant, digests), tx| Box::pin(read_known(*tenant, digests, tx)))
            .await
    }

    /// Takes a report that a key leaked: reads the key and what is known of it, lets `decide` change the key, and writes key,
    /// report and audit entries together, while nobody else changes the key. When `decide` fails, or returns nothing because
    /// there is nothing new, nothing is written. For `decide` holds what [`Self::change_key`] says.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn take_leak<E: Send + 'static>(
        &self,
        owner: SecretOwner,
        (digest, source, place): (Digest, LeakSource, Option<String>),
        decide: impl FnOnce(&mut ApiKey, KnownReports) -> Result<Option<LeakTaken>, E> + Send + 'static,
    ) -> Result<Option<Result<Changed, E>>, StoreError> {
        let which = [
            Value::text(owner.tenant_id),
            Value::text(owner.key_id),
            Value::text(source),
            Value::opt_text(place),
            Value::from(digest),
        ];
        self.write((which, Some(decide)), |(which, decide), tx| Box::pin(take_one(which, decide, tx))).await
    }

    /// A page of the tenant's reports, newest first; only those of one key if it is named.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn leaks(
        &self,
        tenant_id: TenantId,
        key_id: Option<KeyId>,
        page: Page<LeakId>,
    ) -> Result<Vec<LeakReport>, StoreError> {
        let args = [Value::text(tenant_id), page.below(), page.limit(), Value::opt_text(key_id)];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn read_owner(digest: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<SecretOwner>, StoreError> {
    let Some(mut row) = tx.query_opt(OWNER, digest).await? else { return Ok(None) };
    Ok(Some(SecretOwner { tenant_id: row.parsed("tenant_id")?, key_id: row.parsed("id")? }))
}

async fn read_known(
    tenant_id: TenantId,
    digests: &[Digest],
    tx: &mut Tx<'_>,
) -> Result<KnownSecrets, StoreError> {
    let mut known = KnownSecrets::default();
    for chunk in digests.chunks(DIGESTS) {
        let repeats = std::iter::repeat_n(chunk[0], DIGESTS - chunk.len());
        let digests = chunk.iter().copied().chain(repeats).map(Value::from);
        let values: Vec<Value> = std::iter::once(Value::text(tenant_id)).chain(digests).collect();
        for row in tx.query(&PRESENT, &values).await? {
            known.present.push(record::read(row)?);
        }
        for mut row in tx.query(&REPLACED, &values).await? {
            known.replaced.push((row.digest("digest")?, row.parsed("key_id")?));
        }
    }
    Ok(known)
}

/// The end of a statement whose `$1` is the tenant.
fn among_digests() -> String {
    let mut sql = " AND digest IN ($2".to_owned();
    for place in 3..DIGESTS + 2 {
        // Writing to a text cannot fail.
        let _written = write!(sql, ", ${place}");
    }
    sql + ")"
}

async fn take_one<E, F>(
    which: &[Value; 5],
    decide: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<Changed, E>>, StoreError>
where
    F: FnOnce(&mut ApiKey, KnownReports) -> Result<Option<LeakTaken>, E>,
{
    let [tenant_id, key_id, _, _, digest] = which;
    let one = [tenant_id.clone(), key_id.clone()];
    let Some(before) = keys::read_one(&keys::ONE_LOCKED, &one, tx).await? else { return Ok(None) };
    let known = read_reports(which, tx).await?;
    let mut after = before.clone();
    match take(decide)?(&mut after, known) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(None) => after = before.clone(),
        Ok(Some(taken)) => keep((&before, &after), &taken, digest, tx).await?,
    }
    Ok(Some(Ok(Changed { before, after })))
}

async fn read_reports(which: &[Value; 5], tx: &mut Tx<'_>) -> Result<KnownReports, StoreError> {
    let gone = || StoreError::Corrupt("a key has no tenant".to_owned());
    let mut tenant = tx.query_opt(WANTED, &which[..1]).await?.ok_or_else(gone)?;
    let mut reports = tx.query_opt(KNOWN, which).await?.ok_or_else(gone)?;
    let count = reports.opt_count("reports")?.unwrap_or(0);
    let is_alike = reports.opt_count("alike")?.unwrap_or(0) > 0;
    Ok(KnownReports { wanted: tenant.parsed("on_leak")?, count, is_alike })
}

async fn keep(
    (before, after): (&ApiKey, &ApiKey),
    taken: &LeakTaken,
    digest: &Value,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    tell(&[(INSERT, &values(&taken.report, digest))], &taken.told, tx).await?;
    let Some(entry) = &taken.changed else { return Ok(()) };
    record::check_change(before, after)?;
    keys::write(before, after, entry, tx).await
}

fn values(report: &LeakReport, digest: &Value) -> [Value; 8] {
    [
        Value::text(report.tenant_id),
        Value::text(report.id),
        Value::text(report.key_id),
        report.reported_at.into(),
        Value::text(report.source),
        Value::opt_text(report.place.as_ref()),
        Value::text(report.done),
        digest.clone(),
    ]
}

async fn read_page(args: &[Value; 4], tx: &mut Tx<'_>) -> Result<Vec<LeakReport>, StoreError> {
    tx.query(&PAGE, args).await?.into_iter().map(|mut row| read_report(&mut row)).collect()
}

/// Reads the columns of [`REPORT`].
pub(crate) fn read_report(row: &mut Row) -> Read<LeakReport> {
    Ok(LeakReport {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        key_id: row.parsed("key_id")?,
        reported_at: row.time("reported_at")?,
        source: row.parsed("source")?,
        place: row.opt_text("place")?,
        done: row.parsed("done")?,
    })
}
