//! What models cost: exact in integers, and rounded once, up.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Invalid, NanoUsd};

/// Digits that a decimal is read by; what stands behind them is far below a pico-dollar.
const DIGITS_READ: usize = 30;
/// Longest text that is read as a number: more than the shortest form of any floating-point number has.
const LONGEST_NUMBER: usize = 400;

/// Trillionths of a US dollar: what one token, image, character or second costs. The cheapest token on the market costs 130.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PicoUsd(u64);

impl PicoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that is accepted from outside: a thousand dollars. Up to here a JSON number is exact to the pico-dollar.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// So many trillionths of a dollar.
    pub const fn from_picos(picos: u64) -> Self {
        Self(picos)
    }

    /// Trillionths of a dollar.
    pub const fn as_picos(self) -> u64 {
        self.0
    }

    /// Reads a JSON number of dollars for a million, as price lists have it.
    ///
    /// # Errors
    /// When the number is negative, not finite or above [`Self::MAX`] for one.
    pub fn from_dollars_per_million(dollars: f64) -> Result<Self, Invalid> {
        let most = Self::MAX.to_dollars_per_million();
        let broken = || Invalid::rule(format!("must be an amount from 0 to {most} dollars for a million"));
        Self::read(&dollars.to_string(), 6).ok_or_else(broken)
    }

    /// The price of a million as a JSON number of dollars.
    pub fn to_dollars_per_million(self) -> f64 {
        self.in_units_of(1e6)
    }

    /// Reads a JSON number of dollars for one.
    ///
    /// # Errors
    /// When the number is negative, not finite or above [`Self::MAX`].
    pub fn from_dollars(dollars: f64) -> Result<Self, Invalid> {
        Self::parse_dollars(&dollars.to_string())
    }

    /// The price of one as a JSON number of dollars.
    pub fn to_dollars(self) -> f64 {
        self.in_units_of(1e12)
    }

    /// Reads a decimal text of dollars for one, such as `1.3e-10`, to the nearest pico-dollar. What costs more than nothing costs one
    /// pico-dollar at least.
    ///
    /// # Errors
    /// When it is no such number, negative or above [`Self::MAX`].
    pub fn parse_dollars(text: &str) -> Result<Self, Invalid> {
        let most = Self::MAX.to_dollars();
        let broken = || Invalid::rule(format!("must be an amount from 0 to {most} dollars"));
        Self::read(text, 12).ok_or_else(broken)
    }

    fn read(text: &str, power: i32) -> Option<Self> {
        scaled(text, power).map(Self).filter(|price| *price <= Self::MAX)
    }

    fn in_units_of(self, picos: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "what is accepted from outside has at most 50 bits")]
        let own = self.0 as f64;
        own / picos
    }
}

impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:012}", self.0 / 1_000_000_000_000, self.0 % 1_000_000_000_000)
    }
}

/// A decimal text times ten to the `power`, to the nearest whole number, and at least one if it is more than nothing. The text is
/// never taken for a floating-point number, which would be another one.
fn scaled(text: &str, power: i32) -> Option<u64> {
    if text.len() > LONGEST_NUMBER {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if whole.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let first = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let (_, significant) = digits.split_at(first);
    let (kept, dropped) = significant.split_at(significant.len().min(DIGITS_READ));
    let value = kept.iter().fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let behind_point = i32::try_from(fraction.len()).ok()? - i32::try_from(dropped.len()).ok()?;
    shifted(value, exponent.checked_sub(behind_point)?.checked_add(power)?)
}

/// `value` times ten to the `power`, rounded as [`scaled`] is.
fn shifted(value: u128, power: i32) -> Option<u64> {
    if value == 0 {
        return Some(0);
    }
    let ten = 10_u128.checked_pow(power.unsigned_abs());
    let whole = match (ten, power >= 0) {
        (Some(ten), true) => value.checked_mul(ten)?,
        (None, true) => return None,
        (Some(ten), false) => (value / ten + u128::from(value % ten >= ten.div_ceil(2))).max(1),
        (None, false) => 1,
    };
    u64::try_from(whole).ok()
}

/// What a model costs: each token, image, character and second of audio by itself. Its stored form has whole pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// A token of input that is neither read from the provider's cache nor written to it.
    pub input: PicoUsd,
    /// A token that is read from the provider's cache; none costs what input does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PicoUsd>,
    /// A token that is written to the provider's cache; none costs what input does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<PicoUsd>,
    /// A token of output.
    pub output: PicoUsd,
    /// An image that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<PicoUsd>,
    /// A character that is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character: Option<PicoUsd>,
    /// A second of audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<PicoUsd>,
}

/// What a request has used of a model, each kind apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consumption {
    /// Tokens of input that were neither read from the provider's cache nor written to it.
    pub input: u64,
    /// Tokens that were read from the provider's cache.
    pub cached_input: u64,
    /// Tokens that were written to the provider's cache.
    pub cache_write: u64,
    /// Tokens of output, those of reasoning included.
    pub output: u64,
    /// Images that were made.
    pub images: u64,
    /// Characters that were spoken.
    pub characters: u64,
    /// Audio, in milliseconds.
    pub audio_millis: u64,
}

impl Consumption {
    /// Tokens of all four kinds.
    pub const fn tokens(&self) -> u64 {
        let input = self.input.saturating_add(self.cached_input).saturating_add(self.cache_write);
        input.saturating_add(self.output)
    }
}

impl Price {
    /// A price for tokens alone.
    pub const fn of_tokens(input: PicoUsd, output: PicoUsd) -> Self {
        Self {
            input,
            cached_input: None,
            cache_write: None,
            output,
            image: None,
            character: None,
            second: None,
        }
    }

    /// What this costs, in pico-dollars; held to `u128::MAX`. Images, characters and seconds that have no price cost nothing here:
    /// [`Self::covers`] tells whether there are any. A part of a second's pico-dollar counts as a whole one.
    pub fn picos(&self, used: &Consumption) -> u128 {
        let of = |price: PicoUsd, count: u64| u128::from(price.0) * u128::from(count);
        let none = PicoUsd::ZERO;
        [
            of(self.input, used.input),
            of(self.cached_input.unwrap_or(self.input), used.cached_input),
            of(self.cache_write.unwrap_or(self.input), used.cache_write),
            of(self.output, used.output),
            of(self.image.unwrap_or(none), used.images),
            of(self.character.unwrap_or(none), used.characters),
            of(self.second.unwrap_or(none), used.audio_millis).div_ceil(1_000),
        ]
        .into_iter()
        .fold(0, u128::saturating_add)
    }

    /// What this costs, rounded up once, over the sum; held to the largest amount there is.
    pub fn cost(&self, used: &Consumption) -> NanoUsd {
        let nanos = self.picos(used).div_ceil(1_000);
        NanoUsd::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// Whether all that was used has a price. Tokens always have.
    pub const fn covers(&self, used: &Consumption) -> bool {
        (used.images == 0 || self.image.is_some())
            && (used.characters == 0 || self.character.is_some())
            && (used.audio_millis == 0 || self.second.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_exactly_from_its_decimal_text() {
        for (text, picos) in [
            ("1.3e-10", 130),
            ("0.00000000013", 130),
            ("2.5E-06", 2_500_000),
            ("5.9e-7", 590_000),
            ("1.5e-05", 15_000_000),
            ("0.04", 40_000_000_000),
            ("1000", 1_000_000_000_000_000),
            ("1e+3", 1_000_000_000_000_000),
            // Noise of floating-point arithmetic in a published table.
            ("6.000000000000001e-07", 600_000),
            ("5.9999999999999997e-07", 600_000),
            ("0.30000000000000000000000000000000000000001", 300_000_000_000),
            ("0", 0),
            ("0.0", 0),
            ("0e9", 0),
            ("1e-13", 1),
            ("1e-300", 1),
            ("1.4e-12", 1),
            ("1.5e-12", 2),
        ] {
            assert_eq!(PicoUsd::parse_dollars(text), Ok(PicoUsd::from_picos(picos)), "{text}");
        }
        for bad in ["", "-1", "-0", "+1", ".5", "1.", "1,5", "1e", "e1", "1e1.5", "NaN", "inf", "1000.1", "1e99999999"]
        {
            assert!(PicoUsd::parse_dollars(bad).is_err(), "{bad}");
        }
        assert!(PicoUsd::parse_dollars(&"0".repeat(LONGEST_NUMBER + 1)).is_err());
    }

    #[test]
    fn a_price_for_a_million_is_a_json_number_and_back() {
        for (dollars, picos) in [(0.000_13, 130), (2.5, 2_500_000), (0.075, 75_000), (150.0, 150_000_000)] {
            let price = PicoUsd::from_dollars_per_million(dollars).unwrap();
            assert_eq!(price.as_picos(), picos);
            assert_eq!(PicoUsd::from_dollars_per_million(price.to_dollars_per_million()), Ok(price));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e9 + 1.0, f64::MAX] {
            assert!(PicoUsd::from_dollars_per_million(bad).is_err(), "{bad}");
        }
        assert_eq!(PicoUsd::from_dollars(f64::MIN_POSITIVE), Ok(PicoUsd::from_picos(1)));
    }

    #[test]
    fn a_cost_is_rounded_up_once_over_the_sum() {
        let price = Price::of_tokens(PicoUsd::from_picos(130), PicoUsd::from_picos(600_000));
        let one = Consumption { input: 1, ..Consumption::default() };
        assert_eq!((price.picos(&one), price.cost(&one)), (130, NanoUsd::from_nanos(1)));
        // Each kind rounded by itself would be one nano-dollar more.
        let two = Consumption { input: 1, cached_input: 1, output: 1, ..Consumption::default() };
        assert_eq!((price.picos(&two), price.cost(&two)), (600_260, NanoUsd::from_nanos(601)));
        assert_eq!(price.cost(&Consumption::default()), NanoUsd::ZERO);
    }

    #[test]
    fn cached_tokens_cost_what_input_does_unless_they_have_a_price() {
        let plain = Price::of_tokens(PicoUsd::from_picos(1_000), PicoUsd::from_picos(5_000));
        let used =
            Consumption { input: 1, cached_input: 10, cache_write: 100, output: 1, ..Consumption::default() };
        assert_eq!((used.tokens(), plain.picos(&used)), (112, 116_000));
        let (cached_input, cache_write) = (Some(PicoUsd::from_picos(100)), Some(PicoUsd::from_picos(1_250)));
        let cached = Price { cached_input, cache_write, ..plain };
        assert_eq!(cached.picos(&used), 1_000 + 1_000 + 125_000 + 5_000);
    }

    #[test]
    fn what_has_no_price_is_not_covered() {
        let tokens = Price::of_tokens(PicoUsd::from_picos(1), PicoUsd::from_picos(1));
        let image = Consumption { images: 2, ..Consumption::default() };
        let audio = Consumption { audio_millis: 1, characters: 3, ..Consumption::default() };
        assert!(tokens.covers(&Consumption { input: 7, ..Consumption::default() }));
        assert!(!tokens.covers(&image) && !tokens.covers(&audio));
        let some = Some(PicoUsd::from_picos(2_000));
        let all = Price { image: some, character: some, second: some, ..tokens };
        assert!(all.covers(&image) && all.covers(&audio));
        assert_eq!((all.picos(&image), all.picos(&audio)), (4_000, 6_002));
    }

    #[test]
    fn no_consumption_is_too_large_to_be_charged() {
        let dear = PicoUsd::from_picos(u64::MAX);
        let price = Price { second: Some(dear), image: Some(dear), ..Price::of_tokens(dear, dear) };
        let most = u64::MAX;
        let tokens = Consumption { input: most, cached_input: most, output: most, ..Consumption::default() };
        let used = Consumption { images: most, ..tokens };
        assert_eq!((price.picos(&used), price.cost(&used)), (u128::MAX, NanoUsd::from_nanos(i64::MAX)));
        assert_eq!(used.tokens(), u64::MAX);
    }
}
