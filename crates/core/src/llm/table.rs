//! Tables of models and prices that others publish, in the form of LiteLLM's `model_prices_and_context_window.json`.
//!
//! A price here is one figure for each kind of use, those tables have many: where they have several for one kind, as for long
//! contexts or for tokens of audio, the highest is taken, so that nothing is charged below what the provider asks. Prices of
//! other ways to be served, such as batches, are passed over.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Encoding, MAX_TOKENS, ModelName, PicoUsd, Price};
use crate::Invalid;
use crate::invalid::text_enum;

text_enum!(
    /// Where models and prices are taken from.
    ModelSource {
        /// The small table that comes with Keystile.
        Builtin = "builtin",
        /// One in the form of LiteLLM's.
        Litellm = "litellm",
    }
);

text_enum!(
    /// What became of a model of a table.
    ImportOutcome {
        /// It is new.
        Made = "made",
        /// It was there, and is what the table says from now on.
        Changed = "changed",
        /// It was there, and is what the table says.
        Unchanged = "unchanged",
        /// It was there, and is something else, which was not to be changed.
        Kept = "kept",
    }
);

/// Most models that are taken from a table at a time: one transaction, for which others wait.
pub const MOST_LISTED: usize = 500;
/// Most broken rules that are told of.
const MOST_TOLD: usize = 20;
/// How much of a key of the table is told, in characters.
const TOLD_OF_KEY: usize = 80;
/// What LiteLLM's table describes its own form with.
const SAMPLE: &str = "sample_spec";

/// What a table says of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableModel {
    /// What its provider calls it.
    pub name: ModelName,
    /// Size of its context window, in tokens.
    pub context_window: Option<u64>,
    /// Most tokens of output.
    pub max_output_tokens: Option<u64>,
    /// How texts become tokens, if that is known of the name.
    pub encoding: Option<Encoding>,
    /// What it costs; none if the table does not say, or not in a way that can be told here.
    pub price: Option<Price>,
}

/// What a table says of the models of one supplier, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTable {
    models: BTreeMap<ModelName, TableModel>,
}

impl ModelTable {
    /// Reads what `table` says of the models of `supplier`, which it calls `litellm_provider`.
    ///
    /// # Errors
    /// When anything in the table is malformed: each broken rule, up to twenty, at its place.
    pub fn read(table: &Map<String, Value>, supplier: &str) -> Result<Self, Vec<Invalid>> {
        let (mut models, mut broken) = (BTreeMap::<ModelName, TableModel>::new(), Vec::<Invalid>::new());
        for (key, entry) in table.iter().filter(|(key, _)| key.as_str() != SAMPLE) {
            match read_entry(key, entry, supplier) {
                Ok(None) => {}
                Ok(Some((model, is_own_name))) => {
                    // The same model may stand there once more, behind the name of its supplier.
                    if is_own_name || !models.contains_key(&model.name) {
                        models.insert(model.name.clone(), model);
                    }
                }
                Err(invalid) => broken.push(invalid.at(&told(key))),
            }
            if broken.len() == MOST_TOLD {
                break;
            }
        }
        if broken.is_empty() { Ok(Self { models }) } else { Err(broken) }
    }

    /// All of it, or what it says of these.
    ///
    /// # Errors
    /// For each name that it does not have, at its place in the list; when it is more than [`MOST_LISTED`].
    pub fn into_models(mut self, names: Option<&[ModelName]>) -> Result<Vec<TableModel>, Vec<Invalid>> {
        let Some(names) = names else { return bounded(self.models.into_values().collect()) };
        let (mut models, mut broken) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            match self.models.remove(name) {
                Some(model) => models.push(model),
                None if models.iter().any(|model| model.name == *name) => {}
                None => broken.push(Invalid::new(format!("names[{index}]"), NOT_LISTED)),
            }
        }
        if broken.is_empty() { bounded(models) } else { Err(broken) }
    }
}

const NOT_LISTED: &str = "must be a model that the table has for this supplier";

fn bounded(models: Vec<TableModel>) -> Result<Vec<TableModel>, Vec<Invalid>> {
    if models.len() <= MOST_LISTED {
        return Ok(models);
    }
    let (all, most) = (models.len(), MOST_LISTED);
    let rule = format!("must choose at most {most} of the {all} models that the table has for this supplier");
    Err(vec![Invalid::new("names", rule)])
}

fn told(key: &str) -> String {
    key.chars().take(TOLD_OF_KEY).collect()
}

type Entry = Map<String, Value>;

/// The names of what a token of input can cost, and so on: of texts, sounds and pictures.
const INPUT: [&str; 3] = ["input_cost_per_token", "input_cost_per_audio_token", "input_cost_per_image_token"];
const CACHED_INPUT: [&str; 2] = ["cache_read_input_token_cost", "cache_read_input_audio_token_cost"];
const CACHE_WRITE: [&str; 2] = ["cache_creation_input_token_cost", "cache_creation_input_audio_token_cost"];
const OUTPUT: [&str; 4] = [
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "output_cost_per_audio_token",
    "output_cost_per_image_token",
];

/// The model, if it is the supplier's, and whether it stands there under its own name alone.
fn read_entry(key: &str, entry: &Value, supplier: &str) -> Result<Option<(TableModel, bool)>, Invalid> {
    let Value::Object(entry) = entry else { return Err(Invalid::rule("must be an object")) };
    if text(entry, "litellm_provider")? != Some(supplier) {
        return Ok(None);
    }
    let mode = text(entry, "mode")?.unwrap_or("chat");
    let own = key.strip_prefix(supplier).and_then(|rest| rest.strip_prefix('/'));
    let name = own.unwrap_or(key);
    // Sizes and qualities of images stand there as models, which nobody can ask for by such a name.
    if mode == "image_generation" && name.contains('/') {
        return Ok(None);
    }
    let max_output_tokens = tokens(entry, "max_output_tokens")?;
    let window = tokens(entry, "max_input_tokens")?;
    let model = TableModel {
        name: name.parse()?,
        context_window: window.map(|window| window.max(max_output_tokens.unwrap_or(0))),
        max_output_tokens,
        encoding: if supplier == "openai" { Encoding::of_openai(name) } else { None },
        price: price(entry, mode)?,
    };
    Ok(Some((model, own.is_none())))
}

fn price(entry: &Entry, mode: &str) -> Result<Option<Price>, Invalid> {
    let (input, output) = (highest(entry, &INPUT)?, highest(entry, &OUTPUT)?);
    let gives_tokens = !["embedding", "moderation", "rerank"].contains(&mode);
    let output = if gives_tokens { output } else { output.or(Some(PicoUsd::ZERO)) };
    if let Some((input, output)) = input.zip(output) {
        let (cached_input, cache_write) = (highest(entry, &CACHED_INPUT)?, highest(entry, &CACHE_WRITE)?);
        return Ok(Some(Price { cached_input, cache_write, ..Price::of_tokens(input, output) }));
    }
    if input.is_some() {
        return Ok(None);
    }
    let of = |is_meant: bool, fields: &[&str]| if is_meant { highest(entry, fields) } else { Ok(None) };
    let is_audio = ["audio_transcription", "audio_speech"].contains(&mode);
    let image = of(mode == "image_generation", &["output_cost_per_image", "input_cost_per_image"])?;
    let character = of(mode == "audio_speech", &["output_cost_per_character", "input_cost_per_character"])?;
    let second = of(is_audio, &["output_cost_per_second", "input_cost_per_second"])?;
    let is_told = image.is_some() || character.is_some() || second.is_some();
    let price = Price { image, character, second, ..Price::of_tokens(PicoUsd::ZERO, PicoUsd::ZERO) };
    Ok(is_told.then_some(price))
}

/// The highest of these prices, each with what it is from some length of the context on.
fn highest(entry: &Entry, fields: &[&str]) -> Result<Option<PicoUsd>, Invalid> {
    let mut highest = None;
    for (name, value) in entry {
        let is_meant = |field: &&str| name.strip_prefix(*field).is_some_and(is_tier);
        if value.is_null() || !fields.iter().any(is_meant) {
            continue;
        }
        let Value::Number(number) = value else { return Err(Invalid::new(name.clone(), "must be a number")) };
        let price = PicoUsd::parse_dollars(&number.to_string()).map_err(|invalid| invalid.at(name))?;
        highest = highest.max(Some(price));
    }
    Ok(highest)
}

/// What may stand behind the name of a price: nothing, or `_above_200k_tokens`.
fn is_tier(rest: &str) -> bool {
    let length = rest.strip_prefix("_above_").and_then(|rest| rest.strip_suffix("k_tokens"));
    rest.is_empty() || length.is_some_and(|length| length.bytes().all(|b| b.is_ascii_digit()))
}

fn text<'e>(entry: &'e Entry, field: &'static str) -> Result<Option<&'e str>, Invalid> {
    match entry.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Invalid::new(field, "must be a text")),
    }
}

/// A number of tokens; none if the table says nothing, or zero.
fn tokens(entry: &Entry, field: &'static str) -> Result<Option<u64>, Invalid> {
    let broken = || Invalid::new(field, format!("must be a whole number from 0 to {MAX_TOKENS}"));
    match entry.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let count = value.as_u64().filter(|count| *count <= MAX_TOKENS).ok_or_else(broken)?;
            Ok(Some(count).filter(|count| *count > 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(table: Value, supplier: &str) -> Result<ModelTable, Vec<Invalid>> {
        let Value::Object(table) = table else { panic!("a table is an object") };
        ModelTable::read(&table, supplier)
    }

    fn price_of(entry: Value) -> Option<Price> {
        let mut entry = entry;
        entry["litellm_provider"] = json!("openai");
        let models = read(json!({ "m": entry }), "openai").unwrap().into_models(None).unwrap();
        models[0].price
    }

    fn picos(input: u64, output: u64) -> Price {
        Price::of_tokens(PicoUsd::from_picos(input), PicoUsd::from_picos(output))
    }

    #[test]
    fn the_models_of_one_supplier_are_read_with_window_encoding_and_price() {
        let table = json!({
            "sample_spec": { "max_tokens": "a text that explains", "litellm_provider": "openai" },
            "gpt-4o": {
                "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128_000, "max_output_tokens": 16_384,
                "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06,
                "input_cost_per_token_batches": 1.25e-06, "input_cost_per_token_priority": 4.25e-06,
                "supports_vision": true,
            },
            "openai/gpt-4o": { "litellm_provider": "openai", "mode": "chat" },
            "azure/gpt-4o": { "litellm_provider": "azure", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06 },
        });
        let models = read(table, "openai").unwrap().into_models(None).unwrap();
        let [model] = models.as_slice() else { panic!("{models:?}") };
        assert_eq!(model.name.as_str(), "gpt-4o");
        assert_eq!((model.context_window, model.max_output_tokens), (Some(128_000), Some(16_384)));
        assert_eq!(model.encoding, Some(Encoding::O200kBase));
        let cached_input = Some(PicoUsd::from_picos(1_250_000));
        assert_eq!(model.price, Some(Price { cached_input, ..picos(2_500_000, 10_000_000) }));
    }

    #[test]
    fn of_several_prices_for_one_kind_the_highest_is_taken() {
        let price = price_of(json!({
            "input_cost_per_token": 3e-06, "input_cost_per_token_above_200k_tokens": 6e-06,
            "output_cost_per_token": 1.5e-05, "output_cost_per_reasoning_token": 2e-05,
            "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
            "cache_creation_input_token_cost_above_200k_tokens": 7.5e-06,
            "input_cost_per_token_above_200k_tokens_priority": 1.0,
        }));
        let cache_write = Some(PicoUsd::from_picos(7_500_000));
        assert_eq!(price, Some(Price { cache_write, ..picos(6_000_000, 20_000_000) }));
    }

    #[test]
    fn what_gives_no_tokens_is_priced_by_what_it_takes_or_makes() {
        let embedding = json!({ "mode": "embedding", "input_cost_per_token": 1.3e-10 });
        assert_eq!(price_of(embedding), Some(picos(130, 0)));
        let speech = json!({ "mode": "audio_speech", "input_cost_per_character": 1.5e-05 });
        assert_eq!(price_of(speech).unwrap().character, Some(PicoUsd::from_picos(15_000_000)));
        let heard = json!({ "mode": "audio_transcription", "input_cost_per_second": 1e-4, "output_cost_per_second": 0 });
        assert_eq!(price_of(heard).unwrap().second, Some(PicoUsd::from_picos(100_000_000)));
        let image = json!({ "mode": "image_generation", "output_cost_per_image": 0.04 });
        assert_eq!(price_of(image).unwrap().image, Some(PicoUsd::from_picos(40_000_000_000)));
    }

    #[test]
    fn a_price_that_is_not_told_is_none() {
        for unpriced in [
            json!({ "mode": "chat" }),
            json!({ "mode": "chat", "input_cost_per_token": 1e-6 }),
            json!({ "mode": "chat", "output_cost_per_token": 1e-6 }),
            json!({ "mode": "chat", "input_cost_per_character": 1e-6, "output_cost_per_second": 1e-3 }),
            json!({ "mode": "image_generation", "input_cost_per_pixel": 1e-9 }),
        ] {
            assert_eq!(price_of(unpriced.clone()), None, "{unpriced}");
        }
    }

    #[test]
    fn a_malformed_table_is_refused_whole_and_says_where() {
        let own = |entry: Value| {
            let mut entry = entry;
            entry["litellm_provider"] = json!("openai");
            json!({ "good": { "litellm_provider": "openai" }, "bad": entry })
        };
        for (table, field) in [
            (json!({ "bad": 7 }), "bad"),
            (json!({ "bad": { "litellm_provider": 7 } }), "bad.litellm_provider"),
            (own(json!({ "input_cost_per_token": "1e-6" })), "bad.input_cost_per_token"),
            (own(json!({ "output_cost_per_token": -1e-6 })), "bad.output_cost_per_token"),
            (own(json!({ "input_cost_per_token": 1e9 })), "bad.input_cost_per_token"),
            (own(json!({ "max_input_tokens": "many" })), "bad.max_input_tokens"),
            (own(json!({ "max_output_tokens": -5 })), "bad.max_output_tokens"),
            (json!({ "a b": { "litellm_provider": "openai" } }), "a b"),
        ] {
            let broken = read(table, "openai").unwrap_err();
            assert_eq!(broken.len(), 1);
            assert_eq!(broken[0].field, field);
        }
    }

    #[test]
    fn names_choose_and_must_be_there() {
        let table = json!({ "a": { "litellm_provider": "x" }, "x/b": { "litellm_provider": "x" } });
        let table = read(table, "x").unwrap();
        let names = |all: &[&str]| all.iter().map(|name| name.parse().unwrap()).collect::<Vec<ModelName>>();
        let chosen = table.clone().into_models(Some(&names(&["b", "b"]))).unwrap();
        assert!(chosen.len() == 1 && chosen[0].name.as_str() == "b");
        let broken = table.into_models(Some(&names(&["a", "c"]))).unwrap_err();
        assert_eq!(broken[0].field, "names[1]");
    }

    #[test]
    fn a_table_with_too_many_models_wants_a_choice() {
        let entries = (0..=MOST_LISTED).map(|n| (format!("m{n}"), json!({ "litellm_provider": "x" })));
        let table = ModelTable::read(&entries.collect(), "x").unwrap();
        assert_eq!(table.clone().into_models(None).unwrap_err()[0].field, "names");
        assert!(table.into_models(Some(&["m7".parse().unwrap()])).is_ok());
    }
}
