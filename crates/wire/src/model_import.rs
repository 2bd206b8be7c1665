//! Taking models and prices over from a table.

use keystile_core::llm::{ImportOutcome, MOST_LISTED, ModelSource};
use keystile_core::text::check_word;
use keystile_core::{Invalid, ModelName, ProviderId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::model::names;
use crate::patch::never_null;
use crate::{ModelView, PriceBody, schema};

/// Longest name of a supplier, in characters.
const SUPPLIER_MAX: usize = 128;

/// A request to take models over from a table, all or none.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportModels {
    /// Whose models they become.
    #[schema(schema_with = schema::provider_id)]
    pub provider_id: String,
    /// Where they are taken from: `builtin` is the small table that comes with Keystile, common models of OpenAI and Anthropic with the
    /// prices of their public lists on the day that the answer tells; `litellm` is `table`.
    #[schema(schema_with = schema::model_source)]
    pub source: ModelSource,
    /// With the source `litellm`: the content of LiteLLM's `model_prices_and_context_window.json`, or a part of it.
    #[schema(schema_with = schema::maybe_object)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Map<String, Value>>,
    /// Which entries of the table are meant, by their `litellm_provider`; `openai` or `anthropic` if left out, as the provider speaks.
    #[schema(schema_with = schema::maybe_word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub litellm_provider: Option<String>,
    /// Which models of them; all if left out.
    #[schema(schema_with = schema::listed_names)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub names: Option<Vec<String>>,
    /// Whether models that are there already are changed to what the table says; if not, they are left as they are.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub overwrite: Option<bool>,
    /// Whether nothing is written, and only told what would be.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub dry_run: Option<bool>,
}

/// A checked request to take models over.
#[derive(Debug)]
pub struct ModelImportAsked {
    /// Whose models they become.
    pub provider_id: ProviderId,
    /// The table; none is the one that comes with Keystile.
    pub table: Option<Map<String, Value>>,
    /// Which entries of it are meant.
    pub supplier: Option<String>,
    /// Which models of them.
    pub names: Option<Vec<ModelName>>,
    /// Whether models that are there are changed.
    pub overwrite: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
}

impl ImportModels {
    /// The checked request.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<ModelImportAsked, Vec<Invalid>> {
        let mut broken = Broken::default();
        let provider_id: Option<ProviderId> = broken.required("provider_id", self.provider_id.parse());
        let table = broken.required("table", table(self.source, self.table)).flatten();
        let supplier = self.litellm_provider.map(|text| check_word(&text, SUPPLIER_MAX)).transpose();
        let supplier = broken.required("litellm_provider", supplier).flatten();
        let names = self.names.map(|texts| names(&texts, MOST_LISTED)).transpose();
        let names = broken.required("names", names).flatten();
        let overwrite = self.overwrite.unwrap_or_default();
        let dry_run = self.dry_run.unwrap_or_default();
        broken.or(provider_id.map(|provider_id| ModelImportAsked {
            provider_id,
            table,
            supplier,
            names,
            overwrite,
            dry_run,
        }))
    }
}

fn table(
    source: ModelSource,
    table: Option<Map<String, Value>>,
) -> Result<Option<Map<String, Value>>, Invalid> {
    match (source, table) {
        (ModelSource::Builtin, None) => Ok(None),
        (ModelSource::Litellm, Some(table)) => Ok(Some(table)),
        (ModelSource::Builtin, Some(_)) => Err(Invalid::rule("must be left out with the source `builtin`")),
        (ModelSource::Litellm, None) => Err(Invalid::rule("is needed with the source `litellm`")),
    }
}

/// A model of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportedModelView {
    /// What became of it, or would; `kept` is what `overwrite` would change.
    #[schema(schema_with = schema::import_outcome)]
    pub outcome: ImportOutcome,
    /// What the table says of its price; null if that is nothing, or cannot be told here.
    #[schema(required)]
    pub listed_price: Option<PriceBody>,
    /// The model as it is now, or would be; the id of one that was not made names nothing.
    pub model: ModelView,
}

/// What was taken over from a table, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportedModelsView {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// On which day the prices were compared with public lists, with the source `builtin`. Compare them with what your provider asks.
    #[schema(required)]
    pub as_of: Option<String>,
    /// Every model of the table that was meant, by name.
    pub models: Vec<ImportedModelView>,
}
