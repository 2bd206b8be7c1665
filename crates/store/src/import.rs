//! Import: many keys at once, each known by its digest.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use keystile_core::{ApiKey, AuditEntry, Digest, TenantId};

use crate::belonging::Belonging;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, Unique, audit, record, tags};

/// How many digests one statement asks for. Fewer are filled up with repeats.
const ASKED: usize = 256;
/// How many keys are sent together; no more than are asked for together.
const SENT: usize = ASKED;

static HELD: LazyLock<String> =
    LazyLock::new(|| asking(&format!("SELECT {} FROM api_keys WHERE digest IN (", *record::SELECTED)));
static RETIRED: LazyLock<String> =
    LazyLock::new(|| asking("SELECT digest FROM retired_secrets WHERE digest IN ("));

/// What is there already of the digests that are asked for.
#[derive(Debug, Default)]
pub struct Held {
    /// Keys of the tenant.
    pub own: HashMap<Digest, ApiKey>,
    /// Digests that another tenant's key has, or that any key had.
    pub taken: HashSet<Digest>,
}

/// What an import writes.
#[derive(Debug)]
pub struct Import<T> {
    /// New keys.
    pub keys: Vec<ApiKey>,
    /// What the audit log is told.
    pub audit: Vec<AuditEntry>,
    /// What the caller is told.
    pub told: T,
}

impl Store {
    /// Adds many keys of the tenant, or none: finds what is there of `digests`, lets `decide` say what to write, and writes
    /// it. When `decide` fails, nothing is written; it is held to what the closure of [`Self::change_key`] is.
    ///
    /// # Errors
    /// `Conflict(Secret)` when a key with one of the digests was added meanwhile, or had it until then; `Archived` when what a new key belongs to
    /// is.
    pub async fn import_keys<T: Send + 'static, E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        digests: Vec<Digest>,
        decide: impl FnOnce(&Held) -> Result<Import<T>, E> + Send + 'static,
    ) -> Result<Result<T, E>, StoreError> {
        let args = (tenant_id, digests, Some(decide));
        self.write(args, |(tenant_id, digests, decide), tx| Box::pin(import(*tenant_id, digests, decide, tx)))
            .await
    }
}

async fn import<T, E, F>(
    tenant_id: TenantId,
    digests: &[Digest],
    decide: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Result<T, E>, StoreError>
where
    F: FnOnce(&Held) -> Result<Import<T>, E>,
{
    let held = held(tenant_id, digests, tx).await?;
    let again = || StoreError::unavailable("the import was interrupted; it may be tried again");
    let decide = decide.take().ok_or_else(again)?;
    let Import { keys, audit, told } = match decide(&held) {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(import) => import,
    };
    add(&keys, &audit, tx).await?;
    Ok(Ok(told))
}

/// Adds keys whose digests nobody has, and tells the log.
pub(crate) async fn add(keys: &[ApiKey], audit: &[AuditEntry], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for chunk in keys.chunks(SENT) {
        Belonging::of(chunk).hold(tx).await?;
        insert(&record::INSERT, &chunk.iter().map(record::insert_values).collect::<Vec<_>>(), tx).await?;
        refuse_retired(chunk, tx).await?;
        tags::add(chunk, tx).await?;
    }
    for chunk in audit.chunks(SENT) {
        insert(audit::INSERT, &chunk.iter().map(audit::values).collect::<Vec<_>>(), tx).await?;
    }
    Ok(())
}

/// The unique index was waited for, so what another transaction retired meanwhile is seen by now.
async fn refuse_retired(keys: &[ApiKey], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let digests: Vec<Digest> = keys.iter().map(|key| key.secret.digest).collect();
    let retired = tx.query(&RETIRED, &asked(&digests)).await?;
    if retired.is_empty() { Ok(()) } else { Err(StoreError::Conflict(Unique::Secret)) }
}

async fn insert(sql: &str, rows: &[impl AsRef<[Value]>], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let batch: Vec<Statement<'_>> = rows.iter().map(|row| (sql, row.as_ref())).collect();
    tx.pipeline(&batch).await.map(drop)
}

/// What is there already of these digests.
pub(crate) async fn held(
    tenant_id: TenantId,
    digests: &[Digest],
    tx: &mut Tx<'_>,
) -> Result<Held, StoreError> {
    let mut held = Held::default();
    for chunk in digests.chunks(ASKED) {
        let values = asked(chunk);
        for row in tx.query(&HELD, &values).await? {
            let key = record::read(row)?;
            if key.tenant_id == tenant_id {
                held.own.insert(key.secret.digest, key);
            } else {
                held.taken.insert(key.secret.digest);
            }
        }
        for mut row in tx.query(&RETIRED, &values).await? {
            held.taken.insert(row.digest("digest")?);
        }
    }
    Ok(held)
}

/// At most [`ASKED`] digests, and at least one, filled up.
fn asked(digests: &[Digest]) -> Vec<Value> {
    digests.iter().copied().cycle().take(ASKED).map(Value::from).collect()
}

fn asking(beginning: &str) -> String {
    let mut sql = format!("{beginning}$1");
    for place in 2..=ASKED {
        // Writing to a text cannot fail.
        let _written = write!(sql, ", ${place}");
    }
    sql.push(')');
    sql
}
