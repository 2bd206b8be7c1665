//! What models cost: told, and asked for in a form.

use keystile_core::{PicoUsd, Price};
use keystile_wire::PriceBody;
use serde_json::Value;

use crate::as_json::{AsJson, amount};
use crate::form::{Fields, Wrong};
use crate::money;

/// The field of the request that has the price.
pub(super) const PRICE: &str = "price";

/// A part of a price, as a form asks for it.
struct Part {
    /// As the API names it.
    name: &'static str,
    label: &'static str,
    hint: &'static str,
}

const fn part(name: &'static str, label: &'static str, hint: &'static str) -> Part {
    Part { name, label, hint }
}

const PARTS: &[Part] = &[
    part("input_usd_per_million", "Input", "Dollars for a million tokens."),
    part("output_usd_per_million", "Output", "Dollars for a million tokens, those of reasoning included."),
    part(
        "cached_input_usd_per_million",
        "Input from its cache",
        "Dollars for a million tokens. Empty: what input costs.",
    ),
    part(
        "cache_write_usd_per_million",
        "Input into its cache",
        "Dollars for a million tokens. Empty: what input costs.",
    ),
    part("image_usd", "Image", "Dollars for one that is made."),
    part("character_usd_per_million", "Speech", "Dollars for a million characters."),
    part("second_usd", "Audio", "Dollars for a second."),
];

/// Parts that most models have no price for.
const RARE: usize = 3;

/// A part of a price as it stands in a form.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) value: String,
    pub(super) rule: Option<String>,
}

/// The parts that most models have, and the others.
pub(super) fn fields(typed: &Fields, wrong: &Wrong) -> (Vec<Field>, Vec<Field>) {
    let field = |part: &Part| {
        let name = field_name(part.name);
        Field {
            value: typed.text(&name).to_owned(),
            rule: wrong.of(&name).map(str::to_owned),
            name,
            label: part.label,
            hint: part.hint,
        }
    };
    let (usual, rare) = PARTS.split_at(PARTS.len() - RARE);
    (usual.iter().map(field).collect(), rare.iter().map(field).collect())
}

/// A price as a form shows it, each part under the name of its field.
pub(super) fn filled(price: &Price) -> Vec<(String, String)> {
    let body = PriceBody::from(*price);
    let all = [
        Some(body.input_usd_per_million),
        Some(body.output_usd_per_million),
        body.cached_input_usd_per_million,
        body.cache_write_usd_per_million,
        body.image_usd,
        body.character_usd_per_million,
        body.second_usd,
    ];
    let parts = PARTS.iter().zip(all);
    parts.filter_map(|(part, dollars)| Some((field_name(part.name), dollars?.to_string()))).collect()
}

/// The price as it was filled in; `null` if nothing was.
pub(super) fn said(typed: &Fields) -> Value {
    let parts: Vec<_> = PARTS.iter().map(|part| (part.name, typed.text(&field_name(part.name)))).collect();
    if parts.iter().all(|(_, text)| text.is_empty()) {
        return Value::Null;
    }
    parts.into_iter().fold(AsJson::default(), |price, (name, text)| price.with(name, amount(text))).into()
}

fn field_name(part: &str) -> String {
    format!("{PRICE}.{part}")
}

/// A part of a price, told.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) amount: String,
    pub(super) unit: &'static str,
}

/// Every part of a price that there is.
pub(super) fn lines(price: &Price) -> Vec<Line> {
    const MILLION: &str = "a million tokens";
    let million = |what, price: PicoUsd| Line { what, amount: money::per_million(price), unit: MILLION };
    let cached = |what, own: Option<PicoUsd>| million(what, own.unwrap_or(price.input));
    let tokens = [
        million("Input", price.input),
        million("Output", price.output),
        cached("Input from its cache", price.cached_input),
        cached("Input into its cache", price.cache_write),
    ];
    let image = price.image.map(|image| Line { what: "Image", amount: money::each(image), unit: "one" });
    let speech = price.character.map(|character| Line {
        what: "Speech",
        amount: money::per_million(character),
        unit: "a million characters",
    });
    let audio =
        price.second.map(|second| Line { what: "Audio", amount: money::each(second), unit: "a second" });
    tokens.into_iter().chain(image).chain(speech).chain(audio).collect()
}

/// A price in a line: `$0.15 in, $0.60 out`, for a million tokens each.
pub(super) fn brief(price: &Price) -> String {
    let tokens = format!("{} in, {} out", money::per_million(price.input), money::per_million(price.output));
    let image = price.image.map(|image| format!("{} an image", money::each(image)));
    let speech =
        price.character.map(money::per_million).map(|amount| format!("{amount} a million characters"));
    let audio = price.second.map(|second| format!("{} a second", money::each(second)));
    let others: Vec<String> = [image, speech, audio].into_iter().flatten().collect();
    let is_of_tokens = price.input != PicoUsd::ZERO || price.output != PicoUsd::ZERO || others.is_empty();
    let all: Vec<String> = is_of_tokens.then_some(tokens).into_iter().chain(others).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn price() -> Price {
        let picos = PicoUsd::from_picos;
        Price {
            cached_input: Some(picos(75_000)),
            second: Some(picos(100_000_000)),
            ..Price::of_tokens(picos(150_000), picos(600_000))
        }
    }

    #[test]
    fn a_price_comes_back_from_the_form_as_it_was() {
        let read = said(&Fields::from(filled(&price())));
        let body: PriceBody = serde_json::from_value(read).unwrap();
        assert_eq!(body.parse(), Ok(price()));
    }

    #[test]
    fn a_form_without_a_price_says_that_there_is_none() {
        assert_eq!(said(&Fields::default()), Value::Null);
        let some = said(&Fields::from([("price.image_usd", "0.04"), ("price.second_usd", "0,1")]));
        assert_eq!((&some["image_usd"], &some["second_usd"]), (&json!(0.04), &json!("0,1")));
        assert_eq!(some["input_usd_per_million"], Value::Null);
    }

    #[test]
    fn a_price_is_told_in_a_line_without_what_costs_nothing_beside_others() {
        assert_eq!(brief(&price()), "$0.15 in, $0.60 out, $0.0001 a second");
        let free = Price::of_tokens(PicoUsd::ZERO, PicoUsd::ZERO);
        assert_eq!(brief(&free), "$0.00 in, $0.00 out");
        let image = Price { image: Some(PicoUsd::from_picos(40_000_000_000)), ..free };
        assert_eq!(brief(&image), "$0.04 an image");
        let told: Vec<_> = lines(&price()).into_iter().map(|line| line.amount).collect();
        assert_eq!(told, ["$0.15", "$0.60", "$0.075", "$0.15", "$0.0001"]);
    }

    #[test]
    fn what_is_wrong_with_a_part_is_told_at_it() {
        let wrong = Wrong::at("price.image_usd", "must be a number");
        let (usual, rare) = fields(&Fields::from([("price.image_usd", "x")]), &wrong);
        assert!(usual.iter().all(|field| field.rule.is_none()) && usual.len() == 4);
        assert_eq!((rare[0].value.as_str(), rare[0].rule.as_deref()), ("x", Some("must be a number")));
    }
}
