//! Tenants.

use keystile_core::{Application, AuditEntry, Membership, Person, Tenant, TenantId, TenantSettings};

use crate::edit::Editable;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, applications, audit, people, record};

const INSERT: &str = "INSERT INTO tenants
    (id, name, key_label, rotation_days, mfa_required, default_trust_level, event_days, less_trusted_overwrites,
    on_leak, log_requests, log_days, log_whole_from, created_at, version, rpm_limit, rate_limits)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
const ONE: &str = "SELECT id, name, key_label, rotation_days, mfa_required, default_trust_level, event_days,
    less_trusted_overwrites, on_leak, log_requests, log_days, log_whole_from, created_at, version, rpm_limit,
    rate_limits
    FROM tenants WHERE id = $1";

const ONE_LOCKED: &str =
    "SELECT id, name, key_label, rotation_days, mfa_required, default_trust_level, event_days,
    less_trusted_overwrites, on_leak, log_requests, log_days, log_whole_from, created_at, version, rpm_limit,
    rate_limits
    FROM tenants WHERE id = $1 {for_update}";
const UPDATE: &str = "UPDATE tenants SET name = $2, key_label = $3, rotation_days = $4, mfa_required = $5,
    default_trust_level = $6, event_days = $7, less_trusted_overwrites = $8, on_leak = $9,
    log_requests = $10, log_days = $11, log_whole_from = $12, created_at = $13, version = $14, rpm_limit = $15,
    rate_limits = $16
    WHERE id = $1";

const LOCK_OWNER: &str = "SELECT id FROM persons WHERE id = $1 {for_update}";
/// Of the first founding, as nobody is there whose row could be locked: that of the first migration always is.
const LOCK_INSTALLATION: &str = "SELECT version FROM schema_migrations WHERE version = 1 {for_update}";
const OWNED: &str = "SELECT count(*) AS tenants FROM memberships WHERE person_id = $1 AND role = $2";

/// A new tenant with what it cannot be without.
#[derive(Debug, Clone)]
pub struct Founding {
    /// The owner, when the person is new, too.
    pub person: Option<Person>,
    /// The tenant.
    pub tenant: Tenant,
    /// The owner's place in it.
    pub owner: Membership,
    /// Its first application.
    pub application: Application,
    /// What the audit log is told.
    pub audit: Vec<AuditEntry>,
}

impl Store {
    /// Adds a tenant with its owner and its first application: all of it, or nothing. False, and nothing, when the
    /// person owns [`Tenant::MOST_OWNED`].
    ///
    /// # Errors
    /// `Conflict(Email)` when the new person's address is taken.
    pub async fn found_tenant(&self, founding: Founding) -> Result<bool, StoreError> {
        self.write(founding, |founding, tx| Box::pin(found(founding, tx))).await
    }

    /// The same for the first person of an installation with the first tenant. False, and nothing, when anybody is there
    /// already: of many who try at once, one is the first.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn found_installation(&self, founding: Founding) -> Result<bool, StoreError> {
        self.write(founding, |founding, tx| Box::pin(found_first(founding, tx))).await
    }

    /// The tenant with this id.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read([Value::text(id)], |id, tx| Box::pin(read_one(id, tx))).await
    }

    /// Changes a tenant: reads it, applies `change`, and writes it with the audit entry, while nobody else changes
    /// it. When `change` fails, or returns no entry because there is nothing to change, nothing is written.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn change_tenant<E: Send + 'static>(
        &self,
        id: TenantId,
        change: impl FnOnce(&mut Tenant) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<Tenant, E>>, StoreError> {
        self.edit(vec![Value::text(id)], change).await
    }
}

impl Editable for Tenant {
    const ONE_LOCKED: &str = ONE_LOCKED;
    const UPDATE: &str = UPDATE;

    fn read(mut row: Row) -> Read<Self> {
        read(&mut row)
    }

    fn update_values(&self) -> Vec<Value> {
        values(self).into()
    }
}

async fn found(founding: &Founding, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if let Some(person) = &founding.person {
        tx.execute(people::INSERT, &people::values(person)).await?;
    } else if owned(&founding.owner, tx).await? >= Tenant::MOST_OWNED {
        return Ok(false);
    }
    tx.execute(INSERT, &values(&founding.tenant)).await?;
    tx.execute(people::JOIN, &people::join_values(&founding.owner)).await?;
    tx.execute(applications::INSERT, &applications::values(&founding.application)).await?;
    for entry in &founding.audit {
        tx.execute(audit::INSERT, &audit::values(entry)).await?;
    }
    Ok(true)
}

async fn found_first(founding: &Founding, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    tx.query_opt(LOCK_INSTALLATION, &[]).await?;
    if tx.query_opt(people::ANY, &[]).await?.is_some() {
        return Ok(false);
    }
    found(founding, tx).await
}

/// In how many tenants the person has this role; nobody else counts for them until the transaction ends.
async fn owned(place: &Membership, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let person = [Value::text(place.person_id), Value::text(place.role)];
    tx.query_opt(LOCK_OWNER, &person[..1]).await?;
    let count = tx.query_opt(OWNED, &person).await?;
    Ok(count.map(|mut row| row.opt_count("tenants")).transpose()?.flatten().unwrap_or(0))
}

async fn read_one(id: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<Tenant>, StoreError> {
    tx.query_opt(ONE, id).await?.map(|mut row| read(&mut row)).transpose()
}

fn values(tenant: &Tenant) -> [Value; 16] {
    let settings = &tenant.settings;
    let [rpm_limit, rate_limits] = record::request_limits(&tenant.limits);
    [
        Value::text(tenant.id),
        Value::text(&tenant.name),
        Value::text(&tenant.key_label),
        i64::from(settings.rotation_days).into(),
        settings.mfa_required.into(),
        Value::text(settings.default_trust_level),
        i64::from(settings.event_days).into(),
        settings.less_trusted_overwrites.into(),
        Value::text(settings.on_leak),
        Value::text(settings.log_requests),
        i64::from(settings.log_days).into(),
        tenant.log_whole_from.into(),
        tenant.created_at.into(),
        tenant.version.into(),
        rpm_limit,
        rate_limits,
    ]
}

pub(crate) fn read(row: &mut Row) -> Read<Tenant> {
    Ok(Tenant {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        key_label: row.parsed("key_label")?,
        settings: TenantSettings {
            rotation_days: row.small("rotation_days")?,
            mfa_required: row.truth("mfa_required")?,
            default_trust_level: row.parsed("default_trust_level")?,
            event_days: row.small("event_days")?,
            less_trusted_overwrites: row.truth("less_trusted_overwrites")?,
            on_leak: row.parsed("on_leak")?,
            log_requests: row.parsed("log_requests")?,
            log_days: row.small("log_days")?,
        },
        log_whole_from: row.time("log_whole_from")?,
        created_at: row.time("created_at")?,
        version: row.int("version")?,
        limits: record::read_request_limits(row)?,
    })
}
