//! What tenants offer of their providers' models.

use std::collections::HashMap;

use keystile_core::{Actor, AuditEntry, Model, ModelId, ModelName, ProviderId, TenantId};
use serde_json::json;

use super::prices;
use crate::edit::{take, tell};
use crate::filter::containing;
use crate::members::LOCK;
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Page, Store, StoreError, audit};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, id, provider_id, name, aliases, upstream_name, rank, context_window, max_output_tokens,
                encoding, price, price_version, enabled, created_at, updated_at, version
            FROM models WHERE tenant_id = $1",
            $rest
        )
    };
}

const ALL: &str = select!(" ORDER BY id");
const ONE: &str = select!(" AND id = $2");
const ONE_LOCKED: &str = select!(" AND id = $2 {for_update}");
const NAMED: &str = select!(" AND provider_id = $2 AND name = $3 {for_update}");
const PAGE: &str = select!(
    r" AND id < $2 AND (provider_id = $4 OR $4 IS NULL) AND (LOWER(name) LIKE $5 ESCAPE '\' OR $5 IS NULL)
    ORDER BY id DESC LIMIT $3"
);
const COUNT: &str = "SELECT COUNT(*) AS counted FROM models WHERE tenant_id = $1";
const PROVIDER: &str = "SELECT 1 AS found FROM providers WHERE tenant_id = $1 AND id = $2";
const INSERT: &str =
    "INSERT INTO models (tenant_id, id, provider_id, name, aliases, upstream_name, rank, context_window,
        max_output_tokens, encoding, price, price_version, enabled, created_at, updated_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
const UPDATE: &str = "UPDATE models SET provider_id = $3, name = $4, aliases = $5, upstream_name = $6, rank = $7,
        context_window = $8, max_output_tokens = $9, encoding = $10, price = $11, price_version = $12, enabled = $13,
        created_at = $14, updated_at = $15, version = $16
    WHERE tenant_id = $1 AND id = $2";
const DELETE: &str = "DELETE FROM models WHERE tenant_id = $1 AND id = $2";

/// Which models a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct ModelFilter {
    /// Is provided by this one.
    pub provider_id: Option<ProviderId>,
    /// Has this anywhere in its name, in capitals or not.
    pub name_contains: Option<String>,
}

/// What there is already of models that are about to be written.
#[derive(Debug, Default)]
pub struct KnownModels {
    /// Those of the names that were asked for that the provider has.
    pub models: HashMap<ModelName, Model>,
    /// The number of the last price of each name at the provider, be the model still there or not.
    pub prices: HashMap<ModelName, u32>,
    /// How many models the tenant has, of all providers.
    pub count: u64,
}

/// What is written of models.
#[derive(Debug)]
pub struct ModelWrites<T> {
    /// New ones.
    pub made: Vec<Model>,
    /// Those that are there, as they are from now on.
    pub changed: Vec<Model>,
    /// Who sets their prices.
    pub by: Actor,
    /// What the audit log is told.
    pub audit: Vec<AuditEntry>,
    /// What the caller is told.
    pub told: T,
}

impl Store {
    /// Writes models of one provider of the tenant: finds what there is of these names, lets `decide` say what to write, and writes
    /// it, with every price that is new. When `decide` fails, nothing is written. Without such a provider there is no answer.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn write_models<T: Send + 'static, E: Send + 'static>(
        &self,
        (tenant_id, provider_id): (TenantId, ProviderId),
        names: Vec<ModelName>,
        decide: impl FnOnce(&KnownModels) -> Result<ModelWrites<T>, E> + Send + 'static,
    ) -> Result<Option<Result<T, E>>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(provider_id)], names, Some(decide));
        self.write(args, |(of, names, decide), tx| Box::pin(write(of, names, decide, tx))).await
    }

    /// One model of the tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn model(&self, tenant_id: TenantId, id: ModelId) -> Result<Option<Model>, StoreError> {
        let which = [Value::text(tenant_id), Value::text(id)];
        self.read(which, |which, tx| Box::pin(read_one(ONE, which, tx))).await
    }

    /// A page of the tenant's models, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn models(
        &self,
        tenant_id: TenantId,
        filter: &ModelFilter,
        page: Page<ModelId>,
    ) -> Result<Vec<Model>, StoreError> {
        let args = [
            Value::text(tenant_id),
            page.below(),
            page.limit(),
            Value::opt_text(filter.provider_id),
            Value::opt_text(filter.name_contains.as_deref().map(containing)),
        ];
        self.read(args, |args, tx| Box::pin(read_many(PAGE, args, tx))).await
    }

    /// Changes a model of the tenant, as [`Self::change_tenant`] changes a tenant. A price that it did not have is kept as a version.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn change_model<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: ModelId,
        change: impl FnOnce(&mut Model) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<Model, E>>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], Some(change));
        self.write(args, |(which, change), tx| Box::pin(change_one(which, change, tx))).await
    }

    /// Takes a model away, and tells the audit log. Its prices stay. False when there is none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn delete_model(
        &self,
        tenant_id: TenantId,
        id: ModelId,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], entry);
        self.write(args, |(which, entry), tx| Box::pin(delete(which, entry, tx))).await
    }
}

async fn write<T, E, F>(
    of: &[Value; 2],
    names: &[ModelName],
    decide: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<T, E>>, StoreError>
where
    F: FnOnce(&KnownModels) -> Result<ModelWrites<T>, E>,
{
    tx.query(LOCK, &of[..1]).await?;
    if tx.query_opt(PROVIDER, of).await?.is_none() {
        return Ok(None);
    }
    let known = known(of, names, tx).await?;
    let ModelWrites { made, changed, by, audit, told } = match take(decide)?(&known) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(writes) => writes,
    };
    let new = made.iter().map(|model| (INSERT, model));
    let old = changed.iter().map(|model| (UPDATE, model));
    let rows: Vec<_> = new.chain(old).map(|(sql, model)| (sql, values(model))).collect();
    let is_new = |model: &&Model| {
        model.price_version > known.models.get(&model.name).map_or(0, |before| before.price_version)
    };
    let prices: Vec<_> =
        made.iter().chain(&changed).filter(is_new).map(|model| prices::values(model, by)).collect();
    let entries: Vec<_> = audit.iter().map(audit::values).collect();
    let mut batch: Vec<Statement<'_>> = rows.iter().map(|(sql, values)| (*sql, values.as_slice())).collect();
    batch.extend(prices.iter().map(|values| (prices::INSERT, values.as_slice())));
    batch.extend(entries.iter().map(|values| (audit::INSERT, &values[..])));
    for part in batch.chunks(SENT) {
        tx.pipeline(part).await?;
    }
    Ok(Some(Ok(told)))
}

/// How many statements are sent together.
const SENT: usize = 256;

async fn known(of: &[Value; 2], names: &[ModelName], tx: &mut Tx<'_>) -> Result<KnownModels, StoreError> {
    let [tenant, provider] = of;
    let mut models = HashMap::new();
    for name in names {
        let which = [tenant.clone(), provider.clone(), Value::text(name)];
        let found = tx.query_opt(NAMED, &which).await?.map(read).transpose()?;
        models.extend(found.map(|model| (name.clone(), model)));
    }
    let prices = prices::last(of, names, tx).await?;
    let counted = tx.query_opt(COUNT, &of[..1]).await?.map(|mut row| row.opt_count("counted")).transpose()?;
    Ok(KnownModels { models, prices, count: counted.flatten().unwrap_or(0) })
}

async fn read_one(sql: &str, which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<Model>, StoreError> {
    tx.query_opt(sql, which).await?.map(read).transpose()
}

async fn read_many(sql: &str, args: &[Value], tx: &mut Tx<'_>) -> Result<Vec<Model>, StoreError> {
    tx.query(sql, args).await?.into_iter().map(read).collect()
}

pub(super) async fn read_all(tenant: &[Value], tx: &mut Tx<'_>) -> Result<Vec<Model>, StoreError> {
    read_many(ALL, tenant, tx).await
}

async fn change_one<E, F>(
    which: &[Value; 2],
    change: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<Model, E>>, StoreError>
where
    F: FnOnce(&mut Model) -> Result<Option<AuditEntry>, E>,
{
    let Some(before) = read_one(ONE_LOCKED, which, tx).await? else { return Ok(None) };
    let mut after = before.clone();
    let entry = match take(change)?(&mut after) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(None) => return Ok(Some(Ok(before))),
        Ok(Some(entry)) => entry,
    };
    let (row, price) = (values(&after), prices::values(&after, entry.actor));
    let mut statements: Vec<Statement<'_>> = vec![(UPDATE, row.as_slice())];
    if after.price_version != before.price_version {
        statements.push((prices::INSERT, price.as_slice()));
    }
    tell(&statements, &entry, tx).await?;
    Ok(Some(Ok(after)))
}

async fn delete(which: &[Value; 2], entry: &AuditEntry, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if tx.execute(DELETE, which).await? == 0 {
        return Ok(false);
    }
    tell(&[], entry, tx).await?;
    Ok(true)
}

fn values(model: &Model) -> [Value; 16] {
    [
        Value::text(model.tenant_id),
        Value::text(model.id),
        Value::text(model.provider_id),
        Value::text(&model.name),
        Value::json(&json!(model.aliases)),
        Value::text(&model.upstream_name),
        i64::from(model.rank).into(),
        Value::count(model.context_window),
        Value::count(model.max_output_tokens),
        Value::opt_text(model.encoding),
        Value::opt_text(model.price.map(|price| json!(price))),
        i64::from(model.price_version).into(),
        model.enabled.into(),
        model.created_at.into(),
        model.updated_at.into(),
        model.version.into(),
    ]
}

fn read(mut row: Row) -> Read<Model> {
    let row = &mut row;
    Ok(Model {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        provider_id: row.parsed("provider_id")?,
        name: row.parsed("name")?,
        aliases: row.json("aliases")?,
        upstream_name: row.parsed("upstream_name")?,
        rank: row.small("rank")?,
        context_window: row.opt_count("context_window")?,
        max_output_tokens: row.opt_count("max_output_tokens")?,
        encoding: row.opt_parsed("encoding")?,
        price: row.opt_json("price")?,
        price_version: prices::version(row.int("price_version")?)?,
        enabled: row.truth("enabled")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.int("version")?,
    })
}
