//! Prices on the command line.

use clap::Args;
use keystile_core::{Invalid, PicoUsd};
use keystile_wire::{Object, PriceBody, PriceVersionView};

use crate::commands::table::table;

/// What a model costs, in US dollars. The parts that are not named have no price of their own.
#[derive(Debug, Args)]
pub(super) struct PriceFlags {
    /// A million tokens of input.
    #[arg(long, value_name = "DOLLARS", value_parser = million, requires = "output")]
    input: Option<f64>,
    /// A million tokens of output.
    #[arg(long, value_name = "DOLLARS", value_parser = million, requires = "input")]
    output: Option<f64>,
    /// A million tokens that are read from the provider's cache [default: what input costs].
    #[arg(long, value_name = "DOLLARS", value_parser = million, requires = "input")]
    cached_input: Option<f64>,
    /// A million tokens that are written to the provider's cache [default: what input costs].
    #[arg(long, value_name = "DOLLARS", value_parser = million, requires = "input")]
    cache_write: Option<f64>,
    /// An image that is made.
    #[arg(long, value_name = "DOLLARS", value_parser = each, requires = "input")]
    image: Option<f64>,
    /// A million characters that are spoken.
    #[arg(long, value_name = "DOLLARS", value_parser = million, requires = "input")]
    character: Option<f64>,
    /// A second of audio.
    #[arg(long, value_name = "DOLLARS", value_parser = each, requires = "input")]
    second: Option<f64>,
}

impl PriceFlags {
    /// The price, if one is given.
    pub(super) fn given(&self) -> Option<Object<PriceBody>> {
        let price = |(input, output)| PriceBody {
            input_usd_per_million: input,
            cached_input_usd_per_million: self.cached_input,
            cache_write_usd_per_million: self.cache_write,
            output_usd_per_million: output,
            image_usd: self.image,
            character_usd_per_million: self.character,
            second_usd: self.second,
        };
        self.input.zip(self.output).map(price).map(Object)
    }
}

fn million(text: &str) -> Result<f64, Invalid> {
    let dollars = number(text)?;
    PicoUsd::from_dollars_per_million(dollars).map(|_| dollars)
}

fn each(text: &str) -> Result<f64, Invalid> {
    let dollars = number(text)?;
    PicoUsd::from_dollars(dollars).map(|_| dollars)
}

fn number(text: &str) -> Result<f64, Invalid> {
    text.parse().map_err(|_| Invalid::rule("must be an amount in dollars such as `0.15`"))
}

/// What a million tokens of input and of output cost.
pub(super) fn in_short(price: Option<&PriceBody>) -> [String; 2] {
    match price {
        Some(price) => {
            [price.input_usd_per_million, price.output_usd_per_million].map(|part| part.to_string())
        }
        None => ["none", "none"].map(str::to_owned),
    }
}

/// A price for people, a line for each part that it has.
pub(super) fn lines(price: Option<&PriceBody>, version: u32) -> Vec<(&'static str, String)> {
    let Some(price) = price else {
        return vec![("price", "none: it serves no key with a budget".to_owned())];
    };
    let million = |dollars: f64| format!("${dollars} a million tokens");
    let mut lines = vec![
        ("price", format!("version {version}")),
        ("input", million(price.input_usd_per_million)),
        ("output", million(price.output_usd_per_million)),
    ];
    let parts = [
        ("cached input", price.cached_input_usd_per_million.map(million)),
        ("cache write", price.cache_write_usd_per_million.map(million)),
        ("image", price.image_usd.map(|dollars| format!("${dollars} each"))),
        ("characters", price.character_usd_per_million.map(|dollars| format!("${dollars} a million"))),
        ("audio", price.second_usd.map(|dollars| format!("${dollars} a second"))),
    ];
    lines.extend(parts.into_iter().filter_map(|(name, part)| Some((name, part?))));
    lines
}

/// Versions of a price as a table.
pub(super) fn rows(versions: &[PriceVersionView]) -> String {
    let row = |version: &PriceVersionView| {
        let [input, output] = in_short(version.price.as_ref());
        [version.version.to_string(), input, output, version.set_at.to_string(), version.set_by.to_string()]
    };
    table(
        ["VERSION", "INPUT $/M", "OUTPUT $/M", "SINCE", "BY"],
        &versions.iter().map(row).collect::<Vec<_>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_checked_before_anything_is_sent() {
        assert_eq!((million("0.15"), each("0.04")), (Ok(0.15), Ok(0.04)));
        for bad in ["", "-1", "NaN", "much", "2000000000"] {
            assert!(million(bad).is_err() && each(bad).is_err(), "{bad}");
        }
    }
}
