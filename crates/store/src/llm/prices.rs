//! Every price that a model has had.

use std::collections::HashMap;

use keystile_core::llm::PriceVersion;
use keystile_core::{Actor, Model, ModelId, ModelName, TenantId};
use serde_json::json;

use crate::page::MAX_LIMIT;
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

pub(super) const INSERT: &str =
    "INSERT INTO model_prices (tenant_id, provider_id, model, version, price, set_at, set_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const LAST: &str = "SELECT MAX(version) AS last FROM model_prices
    WHERE tenant_id = $1 AND provider_id = $2 AND model = $3";
const MODEL: &str = "SELECT provider_id, name FROM models WHERE tenant_id = $1 AND id = $2";
const PAGE: &str = "SELECT version, price, set_at, set_by FROM model_prices
    WHERE tenant_id = $1 AND provider_id = $2 AND model = $3 AND version < $4 ORDER BY version DESC LIMIT $5";

impl Store {
    /// The prices that a model of the tenant has had at its provider, the last first, below the number `before` if there is one; of no
    /// model nothing.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn model_prices(
        &self,
        tenant_id: TenantId,
        id: ModelId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Option<Vec<PriceVersion>>, StoreError> {
        let which = [Value::text(tenant_id), Value::text(id)];
        let below = before.map_or(i64::MAX, i64::from);
        let range = [Value::Int(below), Value::Int(limit.min(MAX_LIMIT).into())];
        self.read((which, range), |(which, range), tx| Box::pin(read_page(which, range, tx))).await
    }
}

async fn read_page(
    which: &[Value; 2],
    [before, limit]: &[Value; 2],
    tx: &mut Tx<'_>,
) -> Result<Option<Vec<PriceVersion>>, StoreError> {
    let Some(mut row) = tx.query_opt(MODEL, which).await? else { return Ok(None) };
    let (provider, name) = (row.text("provider_id")?, row.text("name")?);
    let [tenant, _] = which;
    let of = [tenant.clone(), Value::Text(provider), Value::Text(name), before.clone(), limit.clone()];
    tx.query(PAGE, &of).await?.into_iter().map(read).collect::<Result<_, _>>().map(Some)
}

/// The number of the last price that each of these names has had at the provider; nothing of those that never had one.
pub(super) async fn last(
    [tenant, provider]: &[Value; 2],
    names: &[ModelName],
    tx: &mut Tx<'_>,
) -> Result<HashMap<ModelName, u32>, StoreError> {
    let of = |name: &ModelName| [tenant.clone(), provider.clone(), Value::text(name)];
    let asked: Vec<_> = names.iter().map(of).collect();
    let statements: Vec<Statement<'_>> = asked.iter().map(|values| (LAST, values.as_slice())).collect();
    let mut last = HashMap::new();
    for (name, rows) in names.iter().zip(tx.pipeline(&statements).await?) {
        let found = rows.into_iter().next().map(|mut row| row.opt_int("last")).transpose()?;
        if let Some(number) = found.flatten() {
            last.insert(name.clone(), version(number)?);
        }
    }
    Ok(last)
}

/// The row of the price that a model has now.
pub(super) fn values(model: &Model, set_by: Actor) -> [Value; 7] {
    [
        Value::text(model.tenant_id),
        Value::text(model.provider_id),
        Value::text(&model.name),
        i64::from(model.price_version).into(),
        Value::opt_text(model.price.map(|price| json!(price))),
        model.updated_at.into(),
        Value::text(set_by),
    ]
}

fn read(mut row: Row) -> Read<PriceVersion> {
    Ok(PriceVersion {
        version: version(row.int("version")?)?,
        price: row.opt_json("price")?,
        set_at: row.time("set_at")?,
        set_by: row.parsed("set_by")?,
    })
}

pub(super) fn version(number: i64) -> Read<u32> {
    u32::try_from(number).map_err(|_| StoreError::Corrupt("the number of a price is out of range".to_owned()))
}
