//! What a tenant offers of a provider's models, and for which price.

use super::{Encoding, ModelName, Price};
use crate::key::write;
use crate::{Actor, Invalid, ModelId, ProviderId, TenantId, Timestamp};

/// Most models of a tenant, of all its providers together. All are in memory while their tenant's keys are used.
pub const MOST_MODELS: u64 = 2_000;
/// Most further names of a model.
pub const MAX_ALIASES: usize = 20;
/// Largest number of tokens that a model can be said to take or to give.
pub const MAX_TOKENS: u64 = 1_000_000_000;

/// A model of a provider, by the names under which a tenant offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Which one.
    pub id: ModelId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Who provides it; never changes.
    pub provider_id: ProviderId,
    /// What requests call it; unique at its provider, and never changes, as spending is told by it.
    pub name: ModelName,
    /// What requests may call it, too. Another model may have the same names: the one of lower rank is tried first.
    pub aliases: Vec<ModelName>,
    /// What the provider calls it.
    pub upstream_name: ModelName,
    /// Among models of one name those of lower rank are tried first.
    pub rank: u16,
    /// Size of its context window, in tokens: no request has more of input.
    pub context_window: Option<u64>,
    /// Most tokens of output.
    pub max_output_tokens: Option<u64>,
    /// How texts become tokens.
    pub encoding: Option<Encoding>,
    /// What it costs; a model without a price serves no key with a budget.
    pub price: Option<Price>,
    /// Counts the prices that the model has had at this provider; 0 until the first.
    pub price_version: u32,
    /// Whether it is offered.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Counts the writes, from 1.
    pub version: i64,
}

impl Model {
    /// Every name that requests may call it by, its own first. One that is an alias as well comes twice.
    pub fn names(&self) -> impl Iterator<Item = &ModelName> {
        std::iter::once(&self.name).chain(&self.aliases)
    }

    /// Gives it another price, which is a new version of it; the same price stays the version that it is.
    pub fn set_price(&mut self, price: Option<Price>) {
        if self.price != price {
            self.price = price;
            self.price_version = self.price_version.saturating_add(1);
        }
    }

    /// Refuses what cannot be: more output than the whole window has.
    ///
    /// # Errors
    /// Names the rule that was broken.
    pub fn check(&self) -> Result<(), Invalid> {
        let fits = |output: u64| self.context_window.is_none_or(|window| output <= window);
        if self.max_output_tokens.is_none_or(fits) {
            return Ok(());
        }
        Err(Invalid::new("max_output_tokens", "must not be more than `context_window`"))
    }
}

/// A checked request for a new model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDraft {
    /// Who provides it.
    pub provider_id: ProviderId,
    /// What requests call it.
    pub name: ModelName,
    /// All other settings. What the provider calls it is its name, unless this says otherwise.
    pub settings: ModelPatch,
}

/// What to write of a model; `None` leaves it as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelPatch {
    /// What requests may call it, too.
    pub aliases: Option<Vec<ModelName>>,
    /// What the provider calls it.
    pub upstream_name: Option<ModelName>,
    /// Among models of one name those of lower rank are tried first.
    pub rank: Option<u16>,
    /// Size of its context window, in tokens: no request has more of input.
    pub context_window: Option<Option<u64>>,
    /// Most tokens of output.
    pub max_output_tokens: Option<Option<u64>>,
    /// How texts become tokens.
    pub encoding: Option<Option<Encoding>>,
    /// What it costs.
    pub price: Option<Option<Price>>,
    /// Whether it is offered.
    pub enabled: Option<bool>,
}

impl ModelPatch {
    /// Writes it into `model`.
    ///
    /// # Errors
    /// For what [`Model::check`] refuses. The model is then half written and must be thrown away.
    pub fn apply(self, model: &mut Model) -> Result<(), Invalid> {
        write(&mut model.aliases, self.aliases);
        write(&mut model.upstream_name, self.upstream_name);
        write(&mut model.rank, self.rank);
        write(&mut model.context_window, self.context_window);
        write(&mut model.max_output_tokens, self.max_output_tokens);
        write(&mut model.encoding, self.encoding);
        write(&mut model.enabled, self.enabled);
        if let Some(price) = self.price {
            model.set_price(price);
        }
        model.check()
    }
}

/// A price that a model had from some moment on, until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    /// Its number: 1, and one more for each change.
    pub version: u32,
    /// The price; none if it had none any more.
    pub price: Option<Price>,
    /// Since when.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: Actor,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::PicoUsd;

    pub(crate) fn model(number: u128, name: &str) -> Model {
        let at = Timestamp::from_millis(0);
        Model {
            id: ModelId::from_u128(number),
            tenant_id: TenantId::from_u128(2),
            provider_id: ProviderId::from_u128(1),
            name: name.parse().unwrap(),
            aliases: Vec::new(),
            upstream_name: name.parse().unwrap(),
            rank: 0,
            context_window: Some(1_000),
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

    #[test]
    fn every_change_of_a_price_is_a_version_and_the_same_price_is_none() {
        let mut own = model(1, "m");
        let price = |picos| Some(Price::of_tokens(PicoUsd::from_picos(picos), PicoUsd::ZERO));
        let given = [(None, 0), (price(1), 1), (price(1), 1), (price(2), 2), (None, 3), (price(1), 4)];
        for (given, version) in given {
            own.set_price(given);
            assert_eq!((own.price, own.price_version), (given, version));
        }
    }

    #[test]
    fn a_model_gives_no_more_than_its_window() {
        let give = |tokens| ModelPatch { max_output_tokens: Some(Some(tokens)), ..ModelPatch::default() };
        assert_eq!(give(1_000).apply(&mut model(1, "m")), Ok(()));
        assert!(give(1_001).apply(&mut model(1, "m")).is_err());
        let unbounded = ModelPatch { context_window: Some(None), ..give(1_001) };
        assert_eq!(unbounded.apply(&mut model(1, "m")), Ok(()));
    }
}
