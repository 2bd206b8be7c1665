//! Models that tenants offer.

use keystile_core::llm::{MAX_ALIASES, MAX_TOKENS, ModelDraft, ModelPatch};
use keystile_core::{Encoding, Invalid, Model, ModelId, ModelName, Price, ProviderId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::patch::{Setting, never_null};
use crate::{Object, Patch, PriceBody, schema};

/// A model to offer. Only `provider_id` and `name` are needed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateModel {
    /// Who provides it.
    #[schema(schema_with = schema::provider_id)]
    pub provider_id: String,
    /// What requests call it; unique at its provider. It never changes.
    #[schema(schema_with = schema::model_name)]
    pub name: String,
    /// What requests may call it, too. Several models may have one name: that of the lowest rank is tried first.
    #[schema(schema_with = schema::aliases)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub aliases: Option<Vec<String>>,
    /// What the provider calls it; `name` if left out.
    #[schema(schema_with = schema::model_name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub upstream_name: Option<String>,
    /// Among models of one name those of lower rank are tried first; 0 if left out.
    #[schema(value_type = u16, minimum = 0, maximum = 65_535)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub rank: Option<u16>,
    /// Size of its context window, in tokens: no request has more of input.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Most tokens of output.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// How texts become tokens, where that is public.
    #[schema(schema_with = schema::maybe_encoding)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What it costs. A model without a price serves no key with a budget.
    #[schema(value_type = Option<PriceBody>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Object<PriceBody>>,
    /// Whether it is offered; true if left out.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub enabled: Option<bool>,
}

impl CreateModel {
    /// The checked model.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<ModelDraft, Vec<Invalid>> {
        let mut broken = Broken::default();
        let provider_id: Option<ProviderId> = broken.required("provider_id", self.provider_id.parse());
        let name: Option<ModelName> = broken.required("name", self.name.parse());
        let settings = Settings {
            aliases: self.aliases,
            upstream_name: self.upstream_name,
            rank: self.rank,
            context_window: self.context_window.into(),
            max_output_tokens: self.max_output_tokens.into(),
            encoding: self.encoding.into(),
            price: self.price.into(),
            enabled: self.enabled,
        };
        let settings = settings.parse(&mut broken);
        broken.or(provider_id.zip(name).map(|(provider_id, name)| ModelDraft { provider_id, name, settings }))
    }
}

/// Settings of a model to change, as a JSON merge patch: `null` clears a setting.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchModel {
    /// What requests may call it, too.
    #[schema(schema_with = schema::aliases)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub aliases: Option<Vec<String>>,
    /// What the provider calls it.
    #[schema(schema_with = schema::model_name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub upstream_name: Option<String>,
    /// Among models of one name those of lower rank are tried first.
    #[schema(value_type = u16, minimum = 0, maximum = 65_535)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub rank: Option<u16>,
    /// Size of its context window, in tokens: no request has more of input.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub context_window: Patch<u64>,
    /// Most tokens of output.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub max_output_tokens: Patch<u64>,
    /// How texts become tokens, where that is public.
    #[schema(schema_with = schema::maybe_encoding)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub encoding: Patch<String>,
    /// What it costs, as a whole: a price that it did not have is a new version of its price.
    #[schema(value_type = Option<PriceBody>)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub price: Patch<Object<PriceBody>>,
    /// Whether it is offered.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub enabled: Option<bool>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl PatchModel {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<ModelPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let settings = Settings {
            aliases: self.aliases,
            upstream_name: self.upstream_name,
            rank: self.rank,
            context_window: self.context_window,
            max_output_tokens: self.max_output_tokens,
            encoding: self.encoding,
            price: self.price,
            enabled: self.enabled,
        };
        let patch = settings.parse(&mut broken);
        broken.or(Some(patch))
    }
}

/// What a model is made and changed with.
struct Settings {
    aliases: Option<Vec<String>>,
    upstream_name: Option<String>,
    rank: Option<u16>,
    context_window: Patch<u64>,
    max_output_tokens: Patch<u64>,
    encoding: Patch<String>,
    price: Patch<Object<PriceBody>>,
    enabled: Option<bool>,
}

impl Settings {
    fn parse(self, broken: &mut Broken) -> ModelPatch {
        let aliases = self.aliases.map(|aliases| names(&aliases, MAX_ALIASES)).transpose();
        let aliases = broken.required("aliases", aliases).flatten();
        let context_window = broken.keep("context_window", self.context_window.try_map(check_tokens));
        let max_output_tokens = self.max_output_tokens.try_map(check_tokens);
        let max_output_tokens = broken.keep("max_output_tokens", max_output_tokens);
        let encoding = self.encoding.try_map(|text| text.parse::<Encoding>());
        let encoding = broken.keep("encoding", encoding);
        let price = self.price.try_map(|Object(price)| price.parse());
        let price: Patch<Price> = broken.whole("price", price).unwrap_or_default();
        ModelPatch {
            aliases,
            upstream_name: broken.optional("upstream_name", self.upstream_name.as_deref()),
            rank: self.rank,
            context_window: context_window.clearable(),
            max_output_tokens: max_output_tokens.clearable(),
            encoding: encoding.clearable(),
            price: price.clearable(),
            enabled: self.enabled,
        }
    }
}

fn check_tokens(tokens: u64) -> Result<u64, Invalid> {
    if (1..=MAX_TOKENS).contains(&tokens) {
        Ok(tokens)
    } else {
        Err(Invalid::rule(format!("must be from 1 to {MAX_TOKENS}")))
    }
}

/// Names of a list, each once.
pub(crate) fn names(texts: &[String], most: usize) -> Result<Vec<ModelName>, Invalid> {
    if texts.len() > most {
        return Err(Invalid::rule(format!("must have at most {most} entries")));
    }
    let mut all = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let name: ModelName = text.parse().map_err(|invalid: Invalid| invalid.at(&format!("[{index}]")))?;
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

/// Which models to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ModelListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only models of this provider.
    #[param(schema_with = schema::provider_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<ProviderId>,
    /// Only models whose name contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// Which one.
    #[schema(schema_with = schema::model_id)]
    pub id: ModelId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Who provides it.
    #[schema(schema_with = schema::provider_id)]
    pub provider_id: ProviderId,
    /// What requests call it.
    #[schema(schema_with = schema::model_name)]
    pub name: ModelName,
    /// What requests may call it, too.
    #[schema(schema_with = schema::aliases)]
    pub aliases: Vec<ModelName>,
    /// What the provider calls it.
    #[schema(schema_with = schema::model_name)]
    pub upstream_name: ModelName,
    /// Among models of one name those of lower rank are tried first.
    #[schema(minimum = 0, maximum = 65_535)]
    pub rank: u16,
    /// Size of its context window, in tokens.
    #[schema(required, minimum = 1, maximum = 1_000_000_000)]
    pub context_window: Option<u64>,
    /// Most tokens of output.
    #[schema(required, minimum = 1, maximum = 1_000_000_000)]
    pub max_output_tokens: Option<u64>,
    /// How texts become tokens.
    #[schema(schema_with = schema::maybe_encoding, required)]
    pub encoding: Option<Encoding>,
    /// What it costs; null serves no key with a budget.
    #[schema(required)]
    pub price: Option<PriceBody>,
    /// The version of its price; 0 until it has one.
    #[schema(minimum = 0)]
    pub price_version: u32,
    /// Whether it is offered.
    pub enabled: bool,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When it was written last.
    #[schema(schema_with = schema::time)]
    pub updated_at: Timestamp,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl From<Model> for ModelView {
    fn from(model: Model) -> Self {
        Self {
            id: model.id,
            tenant_id: model.tenant_id,
            provider_id: model.provider_id,
            name: model.name,
            aliases: model.aliases,
            upstream_name: model.upstream_name,
            rank: model.rank,
            context_window: model.context_window,
            max_output_tokens: model.max_output_tokens,
            encoding: model.encoding,
            price: model.price.map(PriceBody::from),
            price_version: model.price_version,
            enabled: model.enabled,
            created_at: model.created_at,
            updated_at: model.updated_at,
            version: model.version,
        }
    }
}
