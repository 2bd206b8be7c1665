//! Who provides models, and what opens their API, sealed.

use keystile_core::llm::MOST_PROVIDERS;
use keystile_core::{AuditEntry, Digest, Provider, ProviderId, TenantId};

use crate::edit::{Editable, tell};
use crate::members::LOCK;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Sealed, Store, StoreError};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, id, name, protocol, base_url, environment, enabled, created_at, updated_at, version, hint,
                sealed_by, sealed
            FROM providers WHERE tenant_id = $1",
            $rest
        )
    };
}

const ALL: &str = select!(" ORDER BY id");
const ONE: &str = select!(" AND id = $2");
const COUNT: &str = "SELECT COUNT(*) AS counted FROM providers WHERE tenant_id = $1";
const INSERT: &str =
    "INSERT INTO providers (tenant_id, id, name, protocol, base_url, environment, enabled, created_at,
        updated_at, version, hint, sealed_by, sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const HAS_MODELS: &str = "SELECT 1 AS found FROM models WHERE tenant_id = $1 AND provider_id = $2 LIMIT 1";
const DELETE: &str = "DELETE FROM providers WHERE tenant_id = $1 AND id = $2";
const SEALED_BY: &str = "SELECT DISTINCT sealed_by AS digest FROM providers";

/// A provider with what opens its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptProvider {
    /// The provider.
    pub provider: Provider,
    /// What is shown of its credential.
    pub hint: Option<String>,
    /// Its credential.
    pub credential: Sealed,
}

/// What came of making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderMade {
    /// It is there.
    Made,
    /// None: the tenant has [`MOST_PROVIDERS`].
    TooMany,
}

/// What came of taking one away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderTaken {
    /// It is gone.
    Taken,
    /// Nothing: it has models.
    HasModels,
    /// There is none.
    Missing,
}

impl Store {
    /// Adds a provider, and tells the audit log.
    ///
    /// # Errors
    /// `Conflict(ProviderName)` when the tenant has one of that name.
    pub async fn create_provider(
        &self,
        kept: KeptProvider,
        entry: AuditEntry,
    ) -> Result<ProviderMade, StoreError> {
        let args = (values(&kept), entry);
        self.write(args, |(values, entry), tx| Box::pin(create(values, entry, tx))).await
    }

    /// The tenant's providers, oldest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn providers(&self, tenant_id: TenantId) -> Result<Vec<KeptProvider>, StoreError> {
        self.read([Value::text(tenant_id)], |tenant, tx| Box::pin(read_all(tenant, tx))).await
    }

    /// One provider of the tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn provider(
        &self,
        tenant_id: TenantId,
        id: ProviderId,
    ) -> Result<Option<KeptProvider>, StoreError> {
        let which = [Value::text(tenant_id), Value::text(id)];
        self.read(which, |which, tx| Box::pin(read_one(which, tx))).await
    }

    /// Changes a provider of the tenant, as [`Self::change_tenant`] changes a tenant.
    ///
    /// # Errors
    /// `Conflict(ProviderName)` when the tenant has another of that name.
    pub async fn change_provider<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: ProviderId,
        change: impl FnOnce(&mut KeptProvider) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<KeptProvider, E>>, StoreError> {
        self.edit(vec![Value::text(tenant_id), Value::text(id)], change).await
    }

    /// Takes a provider away that has no models, and tells the audit log.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn delete_provider(
        &self,
        tenant_id: TenantId,
        id: ProviderId,
        entry: AuditEntry,
    ) -> Result<ProviderTaken, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], entry);
        self.write(args, |(which, entry), tx| Box::pin(delete(which, entry, tx))).await
    }
}

async fn create(
    values: &[Value; 13],
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<ProviderMade, StoreError> {
    let tenant = &values[..1];
    tx.query(LOCK, tenant).await?;
    let counted = tx.query_opt(COUNT, tenant).await?.map(|mut row| row.opt_count("counted")).transpose()?;
    if counted.flatten().unwrap_or(0) >= MOST_PROVIDERS {
        return Ok(ProviderMade::TooMany);
    }
    tell(&[(INSERT, values)], entry, tx).await?;
    Ok(ProviderMade::Made)
}

pub(super) async fn read_all(tenant: &[Value], tx: &mut Tx<'_>) -> Result<Vec<KeptProvider>, StoreError> {
    tx.query(ALL, tenant).await?.into_iter().map(KeptProvider::read).collect()
}

async fn read_one(which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<KeptProvider>, StoreError> {
    tx.query_opt(ONE, which).await?.map(KeptProvider::read).transpose()
}

async fn delete(
    which: &[Value; 2],
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<ProviderTaken, StoreError> {
    tx.query(LOCK, &which[..1]).await?;
    if tx.query_opt(HAS_MODELS, which).await?.is_some() {
        return Ok(ProviderTaken::HasModels);
    }
    if tx.execute(DELETE, which).await? == 0 {
        return Ok(ProviderTaken::Missing);
    }
    tell(&[], entry, tx).await?;
    Ok(ProviderTaken::Taken)
}

pub(super) async fn sealing_keys(tx: &mut Tx<'_>) -> Result<Vec<Digest>, StoreError> {
    tx.query(SEALED_BY, &[]).await?.into_iter().map(|mut row| row.digest("digest")).collect()
}

fn values(kept: &KeptProvider) -> [Value; 13] {
    let KeptProvider { provider, hint, credential } = kept;
    [
        Value::text(provider.tenant_id),
        Value::text(provider.id),
        Value::text(&provider.name),
        Value::text(provider.protocol),
        Value::text(&provider.base_url),
        Value::opt_text(provider.environment),
        provider.enabled.into(),
        provider.created_at.into(),
        provider.updated_at.into(),
        provider.version.into(),
        Value::opt_text(hint.as_ref()),
        credential.by.into(),
        Value::blob(credential.bytes.clone()),
    ]
}

impl Editable for KeptProvider {
    const ONE_LOCKED: &str = select!(" AND id = $2 {for_update}");
    const UPDATE: &str =
        "UPDATE providers SET name = $3, protocol = $4, base_url = $5, environment = $6, enabled = $7,
            created_at = $8, updated_at = $9, version = $10, hint = $11, sealed_by = $12, sealed = $13
        WHERE tenant_id = $1 AND id = $2";

    fn read(mut row: Row) -> Read<Self> {
        let row = &mut row;
        let provider = Provider {
            tenant_id: row.parsed("tenant_id")?,
            id: row.parsed("id")?,
            name: row.parsed("name")?,
            protocol: row.parsed("protocol")?,
            base_url: row.parsed("base_url")?,
            environment: row.opt_parsed("environment")?,
            enabled: row.truth("enabled")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            version: row.int("version")?,
        };
        let hint = row.opt_text("hint")?;
        let credential = Sealed { by: row.digest("sealed_by")?, bytes: row.blob("sealed")? };
        Ok(Self { provider, hint, credential })
    }

    fn update_values(&self) -> Vec<Value> {
        values(self).into()
    }
}
