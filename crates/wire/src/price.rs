//! What models cost.

use keystile_core::llm::PriceVersion;
use keystile_core::{Actor, Invalid, PicoUsd, Price, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::schema;

/// What a model costs, in US dollars, exact to a trillionth of a dollar for each token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceBody {
    /// A million tokens of input that are neither read from the provider's cache nor written to it.
    #[schema(schema_with = schema::dollars_per_million)]
    pub input_usd_per_million: f64,
    /// A million tokens that are read from the provider's cache; null: what input costs.
    #[schema(schema_with = schema::maybe_dollars_per_million)]
    #[serde(default)]
    pub cached_input_usd_per_million: Option<f64>,
    /// A million tokens that are written to the provider's cache; null: what input costs.
    #[schema(schema_with = schema::maybe_dollars_per_million)]
    #[serde(default)]
    pub cache_write_usd_per_million: Option<f64>,
    /// A million tokens of output.
    #[schema(schema_with = schema::dollars_per_million)]
    pub output_usd_per_million: f64,
    /// An image that is made.
    #[schema(schema_with = schema::maybe_dollars_each)]
    #[serde(default)]
    pub image_usd: Option<f64>,
    /// A million characters that are spoken.
    #[schema(schema_with = schema::maybe_dollars_per_million)]
    #[serde(default)]
    pub character_usd_per_million: Option<f64>,
    /// A second of audio.
    #[schema(schema_with = schema::maybe_dollars_each)]
    #[serde(default)]
    pub second_usd: Option<f64>,
}

impl PriceBody {
    /// The checked price.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<Price, Vec<Invalid>> {
        let mut broken = Broken::default();
        let mut part = |field: &str, dollars: Option<f64>, read: fn(f64) -> Result<PicoUsd, Invalid>| {
            dollars.and_then(|dollars| broken.required(field, read(dollars)))
        };
        let million = PicoUsd::from_dollars_per_million;
        let input = part("input_usd_per_million", Some(self.input_usd_per_million), million);
        let cached_input = part("cached_input_usd_per_million", self.cached_input_usd_per_million, million);
        let cache_write = part("cache_write_usd_per_million", self.cache_write_usd_per_million, million);
        let output = part("output_usd_per_million", Some(self.output_usd_per_million), million);
        let image = part("image_usd", self.image_usd, PicoUsd::from_dollars);
        let character = part("character_usd_per_million", self.character_usd_per_million, million);
        let second = part("second_usd", self.second_usd, PicoUsd::from_dollars);
        let price = input.zip(output).map(|(input, output)| Price {
            input,
            cached_input,
            cache_write,
            output,
            image,
            character,
            second,
        });
        broken.or(price)
    }
}

impl From<Price> for PriceBody {
    fn from(price: Price) -> Self {
        let million = |part: Option<PicoUsd>| part.map(PicoUsd::to_dollars_per_million);
        Self {
            input_usd_per_million: price.input.to_dollars_per_million(),
            cached_input_usd_per_million: million(price.cached_input),
            cache_write_usd_per_million: million(price.cache_write),
            output_usd_per_million: price.output.to_dollars_per_million(),
            image_usd: price.image.map(PicoUsd::to_dollars),
            character_usd_per_million: million(price.character),
            second_usd: price.second.map(PicoUsd::to_dollars),
        }
    }
}

/// A price that a model had from some moment on, until the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PriceVersionView {
    /// Its number: 1, and one more for each change.
    #[schema(minimum = 1)]
    pub version: u32,
    /// The price; null if it had none any more.
    #[schema(required)]
    pub price: Option<PriceBody>,
    /// Since when.
    #[schema(schema_with = schema::time)]
    pub set_at: Timestamp,
    /// By whom.
    #[schema(schema_with = schema::actor)]
    pub set_by: Actor,
}

impl From<PriceVersion> for PriceVersionView {
    fn from(version: PriceVersion) -> Self {
        let PriceVersion { version, price, set_at, set_by } = version;
        Self { version, price: price.map(PriceBody::from), set_at, set_by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(json: serde_json::Value) -> PriceBody {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_price_comes_back_as_it_was_sent() {
        let sent = serde_json::json!({
            "input_usd_per_million": 0.15, "cached_input_usd_per_million": 0.075, "cache_write_usd_per_million": null,
            "output_usd_per_million": 0.6, "image_usd": 0.04, "character_usd_per_million": 15.0, "second_usd": 0.0001,
        });
        let price = body(sent.clone()).parse().unwrap();
        assert_eq!((price.input.as_picos(), price.output.as_picos()), (150_000, 600_000));
        assert_eq!(price.second, Some(PicoUsd::from_picos(100_000_000)));
        assert_eq!(serde_json::to_value(PriceBody::from(price)).unwrap(), sent);
    }

    #[test]
    fn every_part_that_breaks_a_rule_is_named() {
        let price = body(serde_json::json!({
            "input_usd_per_million": -1, "output_usd_per_million": 2e9, "image_usd": 1001, "second_usd": 1,
        }));
        let broken: Vec<_> = price.parse().unwrap_err().into_iter().map(|invalid| invalid.field).collect();
        assert_eq!(broken, ["input_usd_per_million", "output_usd_per_million", "image_usd"]);
    }
}
