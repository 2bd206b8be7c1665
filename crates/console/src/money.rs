//! Money as people read it: from whole numbers, so that nothing is told that is not so.

use keystile_core::{NanoUsd, PicoUsd};

use super::parts::{Shown, number};

/// Digits behind the point of a dollar, in cents, hundredths of a cent, billionths and trillionths; and of a price for a million of
/// what costs trillionths.
const CENTS: usize = 2;
const SMALL: usize = 4;
const NANOS: usize = 9;
const PICOS: usize = 12;
const PICOS_OF_A_MILLION: usize = 6;

const DOLLAR: u64 = 1_000_000_000;
/// Nano-dollars in a cent, and in a hundredth of one.
const CENT: u64 = 10_000_000;
const HUNDREDTH: u64 = 100_000;

/// An amount to the cent, below a dollar to the hundredth of one: `$1,234.50`, `$0.0042`.
pub(super) fn rounded(amount: impl Shown<NanoUsd>) -> String {
    let (sign, nanos) = parts_of(amount.shown());
    let to = |unit: u64| nanos.saturating_add(unit / 2) / unit;
    match nanos {
        0 => "$0.00".to_owned(),
        DOLLAR.. => format!("{sign}{}", decimal(to(CENT), CENTS)),
        _ if to(HUNDREDTH) == 0 => format!("less than {sign}$0.0001"),
        _ => format!("{sign}{}", decimal(to(HUNDREDTH), SMALL)),
    }
}

/// An amount with all its digits: `$0.000031`.
pub(super) fn exact(amount: impl Shown<NanoUsd>) -> String {
    let (sign, nanos) = parts_of(amount.shown());
    format!("{sign}{}", decimal(nanos, NANOS))
}

/// What a million of something costs: `$0.15`.
pub(super) fn per_million(price: impl Shown<PicoUsd>) -> String {
    decimal(price.shown().as_picos(), PICOS_OF_A_MILLION)
}

/// What one of something costs: `$0.04`.
pub(super) fn each(price: impl Shown<PicoUsd>) -> String {
    decimal(price.shown().as_picos(), PICOS)
}

fn parts_of(amount: NanoUsd) -> (&'static str, u64) {
    (if amount < NanoUsd::ZERO { "-" } else { "" }, amount.as_nanos().unsigned_abs())
}

/// Dollars of which the last `digits` stand behind the point, two of them at least.
fn decimal(value: u64, digits: usize) -> String {
    let text = format!("{value:0>width$}", width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    let whole: u64 = whole.parse().unwrap_or_default();
    format!("${}.{:0<CENTS$}", number(whole), part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_to_what_people_compare() {
        for (nanos, told) in [
            (0, "$0.00"),
            (1, "less than $0.0001"),
            (49_999, "less than $0.0001"),
            (50_000, "$0.0001"),
            (4_200_000, "$0.0042"),
            (250_000_000, "$0.25"),
            (999_999_999, "$1.00"),
            (1_234_504_999_999, "$1,234.50"),
            (-2_500_000_000, "-$2.50"),
            (-1, "less than -$0.0001"),
        ] {
            assert_eq!(rounded(NanoUsd::from_nanos(nanos)), told, "{nanos}");
        }
        assert_eq!(rounded(NanoUsd::from_nanos(i64::MAX)), "$9,223,372,036.85");
    }

    #[test]
    fn exact_amounts_have_all_their_digits_and_no_more() {
        for (nanos, told) in
            [(31_000, "$0.000031"), (0, "$0.00"), (1_500_000_000, "$1.50"), (-7, "-$0.000000007")]
        {
            assert_eq!(exact(NanoUsd::from_nanos(nanos)), told);
        }
    }

    #[test]
    fn prices_are_told_as_lists_of_prices_do() {
        for (picos, million) in [(150_000, "$0.15"), (2_500_000, "$2.50"), (130, "$0.00013"), (0, "$0.00")] {
            assert_eq!(per_million(PicoUsd::from_picos(picos)), million);
        }
        assert_eq!(per_million(PicoUsd::MAX), "$1,000,000,000.00");
        assert_eq!(each(PicoUsd::from_picos(40_000_000_000)), "$0.04");
        assert_eq!(each(PicoUsd::from_picos(100_000_000)), "$0.0001");
    }
}
