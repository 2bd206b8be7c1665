//! Prices: read exactly, and never charged below what they are.

use keystile_core::{Consumption, PicoUsd, Price};
use proptest::prelude::*;

fn price_of_one() -> impl Strategy<Value = PicoUsd> {
    (0_u64..=PicoUsd::MAX.as_picos()).prop_map(PicoUsd::from_picos)
}

fn price() -> impl Strategy<Value = Price> {
    let part = || proptest::option::of(price_of_one());
    let tokens = (price_of_one(), part(), part(), price_of_one());
    (tokens, part(), part(), part()).prop_map(|(tokens, image, character, second)| {
        let (input, cached_input, cache_write, output) = tokens;
        Price { input, cached_input, cache_write, output, image, character, second }
    })
}

/// As much as anybody uses in a lifetime.
fn consumption() -> impl Strategy<Value = Consumption> {
    let count = || prop_oneof![0_u64..4, 0_u64..1_000_000_000];
    let tokens = (count(), count(), count(), count());
    (tokens, count(), count(), count()).prop_map(|(tokens, images, characters, audio_millis)| {
        let (input, cached_input, cache_write, output) = tokens;
        Consumption { input, cached_input, cache_write, output, images, characters, audio_millis }
    })
}

fn sum(one: Consumption, other: Consumption) -> Consumption {
    Consumption {
        input: one.input + other.input,
        cached_input: one.cached_input + other.cached_input,
        cache_write: one.cache_write + other.cache_write,
        output: one.output + other.output,
        images: one.images + other.images,
        characters: one.characters + other.characters,
        audio_millis: one.audio_millis + other.audio_millis,
    }
}

proptest! {
    #[test]
    fn a_price_is_the_same_after_it_was_a_json_number(price in price_of_one()) {
        prop_assert_eq!(PicoUsd::from_dollars(price.to_dollars()), Ok(price));
        prop_assert_eq!(PicoUsd::from_dollars_per_million(price.to_dollars_per_million()), Ok(price));
        let json = serde_json::to_string(&price.to_dollars()).unwrap();
        prop_assert_eq!(PicoUsd::parse_dollars(&json), Ok(price), "{}", json);
    }

    #[test]
    fn a_decimal_text_is_read_digit_by_digit(price in price_of_one(), zeros in 0_usize..40, shift in 0_u32..12) {
        let (whole, fraction) = (price.as_picos() / 1_000_000_000_000, price.as_picos() % 1_000_000_000_000);
        let text = format!("{whole}.{fraction:012}{}", "0".repeat(zeros));
        prop_assert_eq!(PicoUsd::parse_dollars(&text), Ok(price), "{}", text);
        let text = format!("{}e-{}", u128::from(price.as_picos()) * 10_u128.pow(shift), 12 + shift);
        prop_assert_eq!(PicoUsd::parse_dollars(&text), Ok(price), "{}", text);
        prop_assert_eq!(price.to_string(), format!("${whole}.{fraction:012}"));
    }

    #[test]
    fn a_text_is_a_price_or_refused_and_one_of_more_than_nothing_is_not_free(
        text in prop_oneof![".*", "[0-9]{1,20}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?"]
    ) {
        let read = PicoUsd::parse_dollars(&text);
        if let (Ok(price), Ok(number)) = (read, text.parse::<f64>()) {
            prop_assert_eq!(price == PicoUsd::ZERO, number == 0.0 && !has_digits(&text), "{}", text);
            let near = (price.to_dollars() - number).abs() <= 6e-13_f64.max(number * 1e-12) || number < 1e-12;
            prop_assert!(near, "{} is not {}", text, price);
        }
    }

    #[test]
    fn a_stored_price_comes_back(price in price()) {
        let stored = serde_json::to_string(&price).unwrap();
        prop_assert_eq!(serde_json::from_str::<Price>(&stored).unwrap(), price);
    }

    #[test]
    fn a_cost_is_the_least_that_covers_the_picos(price in price(), used in consumption()) {
        let nanos = u128::try_from(price.cost(&used).as_nanos()).unwrap();
        let picos = price.picos(&used);
        let is_held = nanos == i64::MAX as u128;
        prop_assert!(is_held || (nanos * 1_000 >= picos && nanos * 1_000 < picos + 1_000));
    }

    #[test]
    fn more_never_costs_less_and_parts_never_less_than_the_whole(
        price in price(), one in consumption(), other in consumption()
    ) {
        let whole = sum(one, other);
        prop_assert!(price.picos(&whole) >= price.picos(&one).max(price.picos(&other)));
        let parts = price.picos(&one) + price.picos(&other);
        // Of audio each part may be rounded up by less than a pico-dollar.
        prop_assert!(parts >= price.picos(&whole) && parts <= price.picos(&whole) + 1);
        prop_assert_eq!(whole.tokens(), one.tokens() + other.tokens());
    }
}

/// Whether a digit of a number is not zero, before its exponent.
fn has_digits(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b))
}
