//! What is known of entities.

use std::collections::BTreeMap;

use keystile_core::event::{EntityName, check_entity_type};
use keystile_core::{Entity, Environment, Invalid, TenantId, Timestamp, TrustLevel};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::schema;

/// Which entities to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EntityListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What is known in this environment; `production` by default.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Only entities of this type.
    #[param(schema_with = schema::entity_type)]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
}

impl EntityListQuery {
    /// Checks what the types leave open, and gives the entity behind which to read on.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn after(&self) -> Result<Option<EntityName>, Invalid> {
        let entity_type = self.entity_type.as_deref().map_or(Ok(()), check_entity_type);
        entity_type.map_err(|broken| broken.at("type"))?;
        let after = self.cursor.as_deref().map(EntityName::parse).transpose();
        after.map_err(|_| Invalid::new("cursor", "must be the `next_cursor` of a page"))
    }
}

/// In which environment to look.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EntityQuery {
    /// What is known in this environment; `production` by default.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

/// What is known of an entity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntityView {
    /// Whose it is.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The environment in which it is known.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// What kind of thing it is.
    #[serde(rename = "type")]
    #[schema(schema_with = schema::entity_type)]
    pub entity_type: String,
    /// Which one.
    #[schema(schema_with = schema::entity_id)]
    pub id: String,
    /// What is believed of each field: the 64 that were said last.
    #[schema(schema_with = schema::object)]
    pub state: BTreeMap<String, Box<RawValue>>,
    /// Who said that of each field.
    pub fields: BTreeMap<String, EntityFieldView>,
    /// Who said last what is believed now.
    #[schema(schema_with = schema::word)]
    pub source_id: String,
    /// How that source was to be treated.
    #[schema(schema_with = schema::trust_level)]
    pub trust_level: TrustLevel,
    /// When the first of its events happened.
    #[schema(schema_with = schema::time)]
    pub first_seen_at: Timestamp,
    /// When the last of them happened.
    #[schema(schema_with = schema::time)]
    pub last_seen_at: Timestamp,
    /// How many there were, also of those that are not kept any more.
    pub event_count: u64,
}

/// Who said what is believed of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntityFieldView {
    /// When it was so.
    #[schema(schema_with = schema::time)]
    pub occurred_at: Timestamp,
    /// Who said it.
    #[schema(schema_with = schema::word)]
    pub source_id: String,
    /// How that source was to be treated.
    #[schema(schema_with = schema::trust_level)]
    pub trust_level: TrustLevel,
}

impl EntityView {
    /// What is known of the entity with this name in an environment of a tenant.
    pub fn of(tenant_id: TenantId, environment: Environment, name: EntityName, entity: Entity) -> Self {
        let EntityName { entity_type, entity_id } = name;
        let (writer, last_seen_at) = (entity.last_writer().clone(), entity.last_seen());
        let (mut state, mut fields) = (BTreeMap::new(), BTreeMap::new());
        for (name, field) in entity.fields {
            let by = field.by;
            let told =
                EntityFieldView { occurred_at: by.at, source_id: by.source_id, trust_level: by.trust_level };
            fields.insert(name.clone(), told);
            state.insert(name, field.value);
        }
        Self {
            tenant_id,
            environment,
            entity_type,
            id: entity_id,
            state,
            fields,
            source_id: writer.source_id,
            trust_level: writer.trust_level,
            first_seen_at: entity.first_seen,
            last_seen_at,
            event_count: entity.count,
        }
    }
}
