//! What a tenant offers of its providers' models, and what that costs.

use keystile_core::llm::{MOST_MODELS, ModelDraft, ModelPatch, PriceVersion};
use keystile_core::{
    Action, AuditEntry, Invalid, Model, ModelId, ModelName, PicoUsd, Price, ProviderId, TenantId, Timestamp,
};
use keystile_measure::SPANS;
use keystile_store::{KnownModels, ModelFilter, ModelWrites, Page};
use serde_json::{Map, Value, json};
use tracing::instrument;

use super::supplied;
use crate::audit::object;
use crate::edit::{Edited, edit};
use crate::{Caller, Committed, Conflict, ControlPlane, Refused, Right, VersionGuard};

/// Which models to list.
pub type ModelQuery = ModelFilter;

const MODEL: Refused = Refused::NotFound("model");

impl ControlPlane {
    /// Offers a model of a provider of the caller's tenant.
    ///
    /// # Errors
    /// Without [`Right::ManageModels`]; for a provider that is unknown or another tenant's, a name that it has already, or settings
    /// that break a rule; when the tenant has as many models as it can.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_model(
        &self,
        caller: &Caller,
        draft: ModelDraft,
    ) -> Result<Committed<Model>, Refused> {
        caller.require(Right::ManageModels)?;
        let id = self.fresh(ModelId::from_parts)?;
        let entry = self.entry(caller, Action::ModelCreate, id.to_string(), Value::Null)?;
        let ModelDraft { provider_id, name, settings } = draft;
        let mut model = begun((caller.tenant_id, provider_id, id), name.clone(), entry.at);
        settings.apply(&mut model)?;
        let by = caller.actor;
        let decide = move |known: &KnownModels| -> Result<ModelWrites<Model>, Refused> {
            if known.models.contains_key(&model.name) {
                return Err(Refused::Conflict(Conflict::ModelName));
            }
            require_room(known, 1)?;
            number_price(&mut model, known);
            let entry = AuditEntry { changes: Value::Object(model.describe()), ..entry };
            let (made, audit) = (vec![model.clone()], vec![entry]);
            Ok(ModelWrites { made, changed: Vec::new(), by, audit, told: model })
        };
        let of = (caller.tenant_id, provider_id);
        let written = self.store.write_models(of, vec![name], decide).await;
        let Committed { value, change } = supplied(caller.tenant_id, written)?;
        Ok(Committed { value: value.ok_or_else(no_such_provider)??, change })
    }

    /// One model of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn model(&self, caller: &Caller, id: ModelId) -> Result<Model, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.model(caller.tenant_id, id).await?.ok_or(MODEL)
    }

    /// A page of the tenant's models, newest first.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn models(
        &self,
        caller: &Caller,
        query: &ModelQuery,
        page: Page<ModelId>,
    ) -> Result<Vec<Model>, Refused> {
        caller.require(Right::ReadTenant)?;
        Ok(self.store.models(caller.tenant_id, query, page).await?)
    }

    /// Changes a model of the caller's tenant. A price that it did not have is a new version of its price.
    ///
    /// # Errors
    /// Without [`Right::ManageModels`]; for settings that break a rule, or a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_model(
        &self,
        caller: &Caller,
        id: ModelId,
        patch: ModelPatch,
        guard: VersionGuard,
    ) -> Result<Committed<Model>, Refused> {
        caller.require(Right::ManageModels)?;
        let entry = self.entry(caller, Action::ModelUpdate, id.to_string(), Value::Null)?;
        let change = move |model: &mut Model| {
            edit(model, guard, entry, |model, now| {
                let before = model.clone();
                patch.apply(model)?;
                if *model != before {
                    model.updated_at = now;
                }
                Ok(())
            })
        };
        let changed = self.store.change_model(caller.tenant_id, id, change).await;
        let Committed { value, change } = supplied(caller.tenant_id, changed)?;
        Ok(Committed { value: value.ok_or(MODEL)??, change })
    }

    /// Takes a model away. Its prices are kept, as spending is told by them.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageModels`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn delete_model(&self, caller: &Caller, id: ModelId) -> Result<Committed<()>, Refused> {
        caller.require(Right::ManageModels)?;
        let model = self.store.model(caller.tenant_id, id).await?.ok_or(MODEL)?;
        let changes = json!({ "name": model.name, "provider_id": model.provider_id });
        let entry = self.entry(caller, Action::ModelDelete, id.to_string(), changes)?;
        let deleted = self.store.delete_model(caller.tenant_id, id, entry).await;
        let Committed { value, change } = supplied(caller.tenant_id, deleted)?;
        if value { Ok(Committed { value: (), change }) } else { Err(MODEL) }
    }

    /// The prices that a model has had at its provider, the last first, below the version `before` if there is one.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a model that is unknown or another tenant's; without [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn model_prices(
        &self,
        caller: &Caller,
        id: ModelId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<PriceVersion>, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.model_prices(caller.tenant_id, id, before, limit).await?.ok_or(MODEL)
    }
}

/// A model as it begins: offered first, under its own name, and without a price.
pub(super) fn begun(
    (tenant_id, provider_id, id): (TenantId, ProviderId, ModelId),
    name: ModelName,
    at: Timestamp,
) -> Model {
    Model {
        id,
        tenant_id,
        provider_id,
        aliases: Vec::new(),
        upstream_name: name.clone(),
        name,
        rank: 0,
        context_window: None,
        max_output_tokens: None,
        encoding: None,
        price: None,
        price_version: 0,
        enabled: true,
        created_at: at,
        updated_at: at,
        version: 1,
    }
}

/// The first price of a model that is made follows those that one of its name has had before, so that no number ever means two.
pub(super) fn number_price(model: &mut Model, known: &KnownModels) {
    let last = known.prices.get(&model.name).copied();
    model.price_version = match (last, model.price) {
        (None, None) => 0,
        (last, _) => last.unwrap_or(0).saturating_add(1),
    };
}

pub(super) fn require_room(known: &KnownModels, wanted: u64) -> Result<(), Refused> {
    let fits = known.count.saturating_add(wanted) <= MOST_MODELS;
    if fits { Ok(()) } else { Err(Refused::Conflict(Conflict::TooManyModels)) }
}

pub(super) fn no_such_provider() -> Refused {
    Invalid::new("provider_id", "must be a provider of this tenant").into()
}

impl Edited for Model {
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }

    fn describe(&self) -> Map<String, Value> {
        object(json!({
            "name": self.name,
            "provider_id": self.provider_id,
            "aliases": self.aliases,
            "upstream_name": self.upstream_name,
            "rank": self.rank,
            "context_window": self.context_window,
            "max_output_tokens": self.max_output_tokens,
            "encoding": self.encoding,
            "price": self.price.as_ref().map(in_dollars),
            "price_version": self.price_version,
            "enabled": self.enabled,
        }))
    }
}

/// A price by the names that the API has for its parts.
fn in_dollars(price: &Price) -> Value {
    let million = |part: Option<PicoUsd>| part.map(PicoUsd::to_dollars_per_million);
    json!({
        "input_usd_per_million": price.input.to_dollars_per_million(),
        "cached_input_usd_per_million": million(price.cached_input),
        "cache_write_usd_per_million": million(price.cache_write),
        "output_usd_per_million": price.output.to_dollars_per_million(),
        "image_usd": price.image.map(PicoUsd::to_dollars),
        "character_usd_per_million": million(price.character),
        "second_usd": price.second.map(PicoUsd::to_dollars),
    })
}
