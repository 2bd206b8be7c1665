//! Persons, and their places in tenants.

use keystile_core::{Email, Membership, Person, PersonId, Role, Tenant, TenantId};

use crate::row::{Read, Row};
use crate::tx::{Tx, Work};
use crate::value::Value;
use crate::{Store, StoreError, tenants};

pub(crate) const INSERT: &str =
    "INSERT INTO persons (id, email, password_hash, created_at, disabled_at) VALUES ($1, $2, $3, $4, $5)";
pub(crate) const JOIN: &str =
    "INSERT INTO memberships (person_id, tenant_id, role, created_at) VALUES ($1, $2, $3, $4)";
const BY_ID: &str = "SELECT id, email, password_hash, created_at, disabled_at FROM persons WHERE id = $1";
const BY_EMAIL: &str =
    "SELECT id, email, password_hash, created_at, disabled_at FROM persons WHERE email = $1";
pub(crate) const ANY: &str = "SELECT 1 AS found FROM persons LIMIT 1";
const MEMBER: &str = "SELECT p.id, p.email, p.password_hash, p.created_at, p.disabled_at, m.role,
        m.created_at AS joined_at
    FROM memberships AS m JOIN persons AS p ON p.id = m.person_id
    WHERE m.tenant_id = $1 AND m.person_id = $2";
const TENANTS: &str =
    "SELECT t.id, t.name, t.key_label, t.rotation_days, t.mfa_required, t.default_trust_level, t.event_days,
        t.less_trusted_overwrites, t.on_leak, t.log_requests, t.log_days, t.log_whole_from, t.created_at,
        t.version, t.rpm_limit, t.rate_limits, m.role
    FROM memberships AS m JOIN tenants AS t ON t.id = m.tenant_id
    WHERE m.person_id = $1 ORDER BY t.id";

impl Store {
    /// Adds a person, who is in no tenant yet.
    ///
    /// # Errors
    /// `Conflict(Email)` when somebody has that address.
    pub async fn create_person(&self, person: Person) -> Result<(), StoreError> {
        self.write(values(&person), |args, tx| Box::pin(create(args, tx))).await
    }

    /// The person with this id.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn person(&self, id: PersonId) -> Result<Option<Person>, StoreError> {
        self.read(Value::text(id), |id, tx| Box::pin(read_one(BY_ID, id, tx))).await
    }

    /// The person with this address.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn person_by_email(&self, email: &Email) -> Result<Option<Person>, StoreError> {
        self.read(Value::text(email), |email, tx| Box::pin(read_one(BY_EMAIL, email, tx))).await
    }

    /// Whether anybody is there: until then the installation is new.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn has_persons(&self) -> Result<bool, StoreError> {
        let work: Work<(), bool> =
            |(), tx| Box::pin(async move { Ok(tx.query_opt(ANY, &[]).await?.is_some()) });
        self.read((), work).await
    }

    /// The person and the place they have in the tenant, when they have one.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn member(
        &self,
        tenant_id: TenantId,
        person_id: PersonId,
    ) -> Result<Option<(Person, Membership)>, StoreError> {
        self.read((tenant_id, person_id), |args, tx| Box::pin(read_member(*args, tx))).await
    }

    /// The tenants that a person is in, oldest first, with the role there.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tenants_of(&self, person_id: PersonId) -> Result<Vec<(Tenant, Role)>, StoreError> {
        self.read(Value::text(person_id), |id, tx| Box::pin(read_tenants(id, tx))).await
    }
}

async fn create(values: &[Value; 5], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute(INSERT, values).await.map(drop)
}

async fn read_one(sql: &str, key: &Value, tx: &mut Tx<'_>) -> Result<Option<Person>, StoreError> {
    let row = tx.query_opt(sql, std::slice::from_ref(key)).await?;
    row.map(|mut row| read(&mut row)).transpose()
}

async fn read_member(
    (tenant_id, person_id): (TenantId, PersonId),
    tx: &mut Tx<'_>,
) -> Result<Option<(Person, Membership)>, StoreError> {
    let row = tx.query_opt(MEMBER, &[Value::text(tenant_id), Value::text(person_id)]).await?;
    let read = |mut row: Row| -> Read<_> {
        let person = read(&mut row)?;
        let (role, created_at) = (row.parsed("role")?, row.time("joined_at")?);
        Ok((person, Membership { tenant_id, person_id, role, created_at }))
    };
    row.map(read).transpose()
}

async fn read_tenants(person_id: &Value, tx: &mut Tx<'_>) -> Result<Vec<(Tenant, Role)>, StoreError> {
    let rows = tx.query(TENANTS, std::slice::from_ref(person_id)).await?;
    rows.into_iter().map(|mut row| Ok((tenants::read(&mut row)?, row.parsed("role")?))).collect()
}

pub(crate) fn values(person: &Person) -> [Value; 5] {
    [
        Value::text(person.id),
        Value::text(&person.email),
        Value::text(&person.password_hash),
        person.created_at.into(),
        person.disabled_at.into(),
    ]
}

pub(crate) fn join_values(membership: &Membership) -> [Value; 4] {
    [
        Value::text(membership.person_id),
        Value::text(membership.tenant_id),
        Value::text(membership.role),
        membership.created_at.into(),
    ]
}

pub(crate) fn read(row: &mut Row) -> Read<Person> {
    Ok(Person {
        id: row.parsed("id")?,
        email: row.parsed("email")?,
        password_hash: row.text("password_hash")?,
        created_at: row.time("created_at")?,
        disabled_at: row.opt_time("disabled_at")?,
    })
}
