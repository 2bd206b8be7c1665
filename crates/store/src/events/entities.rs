//! What is known of entities.

use std::cmp::Ordering;

use keystile_core::event::{EntityName, Saying};
use keystile_core::{Entity, Environment, TenantId};

use super::spaces;
use crate::page::MAX_LIMIT;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// What is read of an entity `e`.
pub(super) const COLUMNS: &str =
    "e.space, e.entity_type, e.entity_id, e.first_seen, e.last_seen, e.latest_source_id,
    e.latest_trust_level, e.counted, e.fields";

/// Sorts behind every id of an entity.
const BEHIND_ALL: &str = "\u{7f}";

/// An entity with its name.
#[derive(Debug, Clone)]
pub struct KnownEntity {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The environment in which it is known.
    pub environment: Environment,
    /// Its name.
    pub name: EntityName,
    /// What is known of it.
    pub entity: Entity,
}

/// Which entities to read.
type Asked = (TenantId, Environment, Vec<Value>, String);

impl Store {
    /// An entity of an environment of a tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn entity(
        &self,
        tenant_id: TenantId,
        environment: Environment,
        name: &EntityName,
    ) -> Result<Option<KnownEntity>, StoreError> {
        let values = vec![Value::text(&name.entity_type), Value::text(&name.entity_id)];
        let sql = format!(
            "SELECT {COLUMNS} FROM entities AS e WHERE e.space = $1 AND e.entity_type = $2 AND e.entity_id = $3"
        );
        let asked = (tenant_id, environment, values, sql);
        Ok(self.read(asked, |asked, tx| Box::pin(find(asked, tx))).await?.into_iter().next())
    }

    /// The entities of an environment of a tenant, or those of one type, by type and id; `limit` of them, at most 1,001, behind
    /// `after`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn entities(
        &self,
        tenant_id: TenantId,
        environment: Environment,
        entity_type: Option<&str>,
        after: Option<&EntityName>,
        limit: u32,
    ) -> Result<Vec<KnownEntity>, StoreError> {
        let limit = Value::Int(i64::from(limit.min(MAX_LIMIT)));
        let (after_type, after_id) =
            after.map_or(("", ""), |name| (name.entity_type.as_str(), name.entity_id.as_str()));
        let (values, condition) = match entity_type {
            // An index leads to one type, and through all.
            Some(only) => {
                let behind = match after_type.cmp(only) {
                    Ordering::Less => "",
                    Ordering::Equal => after_id,
                    Ordering::Greater => BEHIND_ALL,
                };
                let one = "e.entity_type = $3 AND e.entity_id > $4 ORDER BY e.entity_id";
                (vec![limit, Value::text(only), Value::text(behind)], one)
            }
            None => {
                let all = "(e.entity_type, e.entity_id) > ($3, $4) ORDER BY e.entity_type, e.entity_id";
                (vec![limit, Value::text(after_type), Value::text(after_id)], all)
            }
        };
        let sql = format!("SELECT {COLUMNS} FROM entities AS e WHERE e.space = $1 AND {condition} LIMIT $2");
        self.read((tenant_id, environment, values, sql), |asked, tx| Box::pin(find(asked, tx))).await
    }
}

async fn find(asked: &Asked, tx: &mut Tx<'_>) -> Result<Vec<KnownEntity>, StoreError> {
    let (tenant_id, environment, values, sql) = asked;
    let Some(space) = spaces::find(*tenant_id, *environment, tx).await? else { return Ok(Vec::new()) };
    let values = [&[Value::Int(space)], values.as_slice()].concat();
    let known = |row| -> Read<KnownEntity> {
        let (_, name, entity) = read(row)?;
        Ok(KnownEntity { tenant_id: *tenant_id, environment: *environment, name, entity })
    };
    tx.query(sql, &values).await?.into_iter().map(known).collect()
}

/// An entity, with its space and its name.
pub(super) fn read(mut row: Row) -> Read<(i64, EntityName, Entity)> {
    let space = row.int("space")?;
    let name = EntityName { entity_type: row.text("entity_type")?, entity_id: row.text("entity_id")? };
    let (first_seen, last_seen) = (row.time("first_seen")?, row.time("last_seen")?);
    let latest = Saying {
        at: last_seen,
        source_id: row.text("latest_source_id")?,
        trust_level: row.parsed("latest_trust_level")?,
    };
    let count = row.opt_count("counted")?.unwrap_or(0);
    Ok((space, name, Entity { fields: row.json("fields")?, latest, first_seen, count }))
}
