//! Taking models and prices over from a table that others publish, or from the small one that comes with Keystile.

use keystile_core::llm::{ImportOutcome, ModelTable, TableModel};
use keystile_core::{
    Action, AuditEntry, Invalid, Model, ModelId, ModelName, Price, Protocol, ProviderId, TenantId,
};
use keystile_measure::SPANS;
use keystile_store::{KnownModels, ModelWrites};
use serde_json::{Map, Value};
use tracing::instrument;

use super::models::{begun, no_such_provider, number_price, require_room};
use super::supplied;
use crate::audit::changed;
use crate::edit::Edited;
use crate::{Caller, Committed, ControlPlane, Refused, Right};

/// Where models and prices are taken from.
#[derive(Debug)]
pub enum TableSource {
    /// The table that comes with Keystile.
    Builtin,
    /// One in the form of LiteLLM's `model_prices_and_context_window.json`.
    Given(Map<String, Value>),
}

/// A checked request to take models over.
#[derive(Debug)]
pub struct ModelImport {
    /// Whose models they become.
    pub provider_id: ProviderId,
    /// Where they are taken from.
    pub source: TableSource,
    /// Which models of the table are meant, by its `litellm_provider`; none: those of who made the provider's protocol.
    pub supplier: Option<String>,
    /// Which of them; none: all.
    pub names: Option<Vec<ModelName>>,
    /// Whether models that are there already are changed to what the table says.
    pub overwrite: bool,
    /// Whether nothing is written, and only told what would be.
    pub dry_run: bool,
}

/// A model of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedModel {
    /// The model as it is now, or would be.
    pub model: Model,
    /// What became of it.
    pub outcome: ImportOutcome,
    /// What the table says of its price.
    pub listed: Option<Price>,
}

/// What an import took over, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedModels {
    /// Every model that was looked at, by name.
    pub models: Vec<ImportedModel>,
    /// Of which day the prices are, of the table that comes with Keystile.
    pub as_of: Option<String>,
}

/// A model of the table with what is needed to write it.
struct Candidate {
    listed: TableModel,
    id: ModelId,
    entry: AuditEntry,
}

impl ControlPlane {
    /// Takes models and their prices over from a table, all or none. Names and ranks, and whether they are offered, are left as they are.
    ///
    /// # Errors
    /// Without [`Right::ManageModels`]; for a provider that is unknown or another tenant's; for a table that breaks a rule anywhere, or
    /// has not all of the names; when the tenant would have more models than it can.
    #[instrument(target = SPANS, skip_all)]
    pub async fn import_models(
        &self,
        caller: &Caller,
        import: ModelImport,
    ) -> Result<Committed<ImportedModels>, Refused> {
        caller.require(Right::ManageModels)?;
        let ModelImport { provider_id, source, supplier, names, overwrite, dry_run } = import;
        let of = (caller.tenant_id, provider_id);
        let kept = self.store.provider(caller.tenant_id, provider_id).await?.ok_or_else(no_such_provider)?;
        let supplier = supplier.as_deref().unwrap_or_else(|| usual_supplier(kept.provider.protocol));
        let (table, as_of) = read_table(&source, supplier)?;
        let listed = table.into_models(names.as_deref()).map_err(Refused::Invalid)?;
        let names = listed.iter().map(|listed| listed.name.clone()).collect();
        let candidates = listed.into_iter().map(|listed| self.candidate(caller, listed));
        let candidates = candidates.collect::<Result<Vec<_>, _>>()?;
        let by = caller.actor;
        let decide = move |known: &KnownModels| -> Result<ModelWrites<Vec<ImportedModel>>, Refused> {
            let mut writes = ModelWrites { made: vec![], changed: vec![], by, audit: vec![], told: vec![] };
            for candidate in candidates {
                add(candidate, of, (known, overwrite), &mut writes)?;
            }
            require_room(known, writes.made.len() as u64)?;
            if dry_run {
                (writes.made, writes.changed, writes.audit) = (vec![], vec![], vec![]);
            }
            Ok(writes)
        };
        let written = self.store.write_models(of, names, decide).await;
        let Committed { value, change } = supplied(caller.tenant_id, written)?;
        let models = value.ok_or_else(no_such_provider)??;
        Ok(Committed { value: ImportedModels { models, as_of }, change })
    }

    fn candidate(&self, caller: &Caller, listed: TableModel) -> Result<Candidate, Refused> {
        let id = self.fresh(ModelId::from_parts)?;
        let entry = self.entry(caller, Action::ModelCreate, id.to_string(), Value::Null)?;
        Ok(Candidate { listed, id, entry })
    }
}

fn read_table(source: &TableSource, supplier: &str) -> Result<(ModelTable, Option<String>), Refused> {
    match source {
        TableSource::Builtin => {
            let (table, as_of) = ModelTable::builtin(supplier).map_err(Refused::Invalid)?;
            Ok((table, Some(as_of)))
        }
        TableSource::Given(table) => {
            let broken = |broken: Vec<Invalid>| {
                Refused::Invalid(broken.into_iter().map(|invalid| invalid.at("table")).collect())
            };
            Ok((ModelTable::read(table, supplier).map_err(broken)?, None))
        }
    }
}

/// What tables call whoever made a protocol.
const fn usual_supplier(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::OpenAi => "openai",
        Protocol::Anthropic => "anthropic",
    }
}

/// Notes what is to be written of a model of the table.
fn add(
    candidate: Candidate,
    (tenant_id, provider_id): (TenantId, ProviderId),
    (known, overwrite): (&KnownModels, bool),
    writes: &mut ModelWrites<Vec<ImportedModel>>,
) -> Result<(), Refused> {
    let Candidate { listed, id, entry } = candidate;
    let Some(before) = known.models.get(&listed.name) else {
        let mut model = begun((tenant_id, provider_id, id), listed.name.clone(), entry.at);
        take(&listed, &mut model)?;
        number_price(&mut model, known);
        writes.audit.push(AuditEntry { changes: Value::Object(model.describe()), ..entry });
        writes.made.push(model.clone());
        writes.told.push(ImportedModel { model, outcome: ImportOutcome::Made, listed: listed.price });
        return Ok(());
    };
    let mut after = before.clone();
    take(&listed, &mut after)?;
    let outcome = match (after == *before, overwrite) {
        (true, _) => ImportOutcome::Unchanged,
        (false, false) => ImportOutcome::Kept,
        (false, true) => ImportOutcome::Changed,
    };
    if outcome == ImportOutcome::Changed {
        (after.version, after.updated_at) = (after.version + 1, entry.at);
        let changes = changed(before.describe(), &after.describe());
        let (action, target) = (Action::ModelUpdate, before.id.to_string());
        writes.audit.push(AuditEntry { action, target, changes, ..entry });
        writes.changed.push(after.clone());
    }
    let model = if outcome == ImportOutcome::Changed { after } else { before.clone() };
    writes.told.push(ImportedModel { model, outcome, listed: listed.price });
    Ok(())
}

/// Writes what the table says into a model. What it says nothing of stays.
fn take(listed: &TableModel, model: &mut Model) -> Result<(), Refused> {
    model.context_window = listed.context_window.or(model.context_window);
    model.max_output_tokens = listed.max_output_tokens.or(model.max_output_tokens);
    model.encoding = listed.encoding.or(model.encoding);
    if listed.price.is_some() {
        model.set_price(listed.price);
    }
    model.check().map_err(|invalid| invalid.at(listed.name.as_str()).into())
}
