//! The small table of models and prices that comes with Keystile.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ModelTable;
use crate::Invalid;

/// Common models of OpenAI and Anthropic, with the prices of their public lists, in the form of LiteLLM's table.
const TABLE: &str = include_str!("builtin.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Builtin {
    models: Map<String, Value>,
}

/// What stands beside each price. The reader of tables passes it over.
#[derive(Deserialize)]
struct Origin {
    /// The day on which it was compared with a copy of its `source`.
    compared: String,
}

impl ModelTable {
    /// What the table that comes with Keystile says of the models of `supplier`, `openai` or `anthropic`, and since which day none of its
    /// prices was compared with its source: the earliest that any of them names. Providers change theirs, so whoever takes them over should
    /// compare.
    ///
    /// # Errors
    /// When the table cannot be read, which a test keeps from happening.
    pub fn builtin(supplier: &str) -> Result<(Self, String), Vec<Invalid>> {
        let broken = |_| vec![Invalid::new("source", "is a table that cannot be read")];
        let Builtin { models } = serde_json::from_str(TABLE).map_err(broken)?;
        let origins: Result<Vec<Origin>, _> = models.values().map(Origin::deserialize).collect();
        let days = origins.map_err(broken)?.into_iter().map(|origin| origin.compared);
        let as_of = days.min().unwrap_or_default();
        Ok((Self::read(&models, supplier)?, as_of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Day;
    use crate::{Consumption, NanoUsd};

    #[test]
    fn every_model_of_the_builtin_table_has_a_price_and_is_of_a_day() {
        for supplier in ["openai", "anthropic"] {
            let (table, as_of) = ModelTable::builtin(supplier).unwrap();
            assert!(format!("{as_of}T00:00:00Z").parse::<crate::Timestamp>().is_ok(), "{as_of}");
            let models = table.into_models(None).unwrap();
            assert!(models.len() >= 10, "{supplier}: {}", models.len());
            for model in models {
                assert!(model.price.is_some(), "{}", model.name);
                assert!(model.max_output_tokens <= model.context_window, "{}", model.name);
            }
        }
    }

    #[test]
    fn every_price_names_its_source_and_the_day_on_which_it_was_compared() {
        let Builtin { models } = serde_json::from_str(TABLE).unwrap();
        for (name, row) in &models {
            let of = |field: &str| row[field].as_str().unwrap_or_default();
            assert!(of("compared").parse::<Day>().is_ok(), "{name}");
            assert!(of("source").starts_with("https://"), "{name}");
        }
    }

    #[test]
    fn of_prices_that_rise_with_the_length_of_the_context_the_highest_is_taken() {
        let names = ["gpt-6-luna".parse().unwrap()];
        let (table, _) = ModelTable::builtin("openai").unwrap();
        let luna = table.into_models(Some(&names)).unwrap().remove(0);
        let million = Consumption { input: 1_000_000, output: 1_000_000, ..Consumption::default() };
        assert_eq!(luna.price.unwrap().cost(&million), NanoUsd::from_dollars(0.2 + 0.75).unwrap());
        assert_eq!((luna.context_window, luna.max_output_tokens), (Some(1_050_000), Some(128_000)));
    }

    #[test]
    fn a_well_known_price_is_what_its_list_says() {
        let of = |supplier: &str, name: &str| {
            let names = [name.parse().unwrap()];
            let (table, _) = ModelTable::builtin(supplier).unwrap();
            table.into_models(Some(&names)).unwrap().remove(0).price.unwrap()
        };
        let million = Consumption { input: 1_000_000, output: 1_000_000, ..Consumption::default() };
        let cached = Consumption { cached_input: 1_000_000, ..Consumption::default() };
        let cached = Consumption { cache_write: 1_000_000, ..cached };
        let (gpt, claude) = (of("openai", "gpt-4o-mini"), of("anthropic", "claude-sonnet-4-6"));
        assert_eq!(gpt.cost(&million), NanoUsd::from_dollars(0.75).unwrap());
        assert_eq!(claude.cost(&million), NanoUsd::from_dollars(18.0).unwrap());
        assert_eq!(claude.cost(&cached), NanoUsd::from_dollars(4.05).unwrap());
    }
}
