//! Money as whole nano-dollars.

use std::fmt;

use crate::Invalid;

/// Billionths of a US dollar. Never negative when it comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoUsd(i64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount accepted from outside. Up to here a JSON number is exact to the nano-dollar.
    pub const MAX_DOLLARS: f64 = 4_000_000.0;

    /// So many billionths of a dollar.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Billionths of a dollar.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Reads a JSON number of dollars; exact to the nano-dollar within the accepted range.
    ///
    /// # Errors
    /// When the number is negative, not finite or above [`Self::MAX_DOLLARS`].
    pub fn from_dollars(dollars: f64) -> Result<Self, Invalid> {
        if !(0.0..=Self::MAX_DOLLARS).contains(&dollars) {
            return Err(Invalid::rule(format!("must be an amount from 0 to {} dollars", Self::MAX_DOLLARS)));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 4e15, far inside i64")]
        Ok(Self((dollars * 1e9).round() as i64))
    }

    /// The amount as a JSON number of dollars.
    pub fn to_dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the range keeps nano-dollars within 53 bits")]
        let nanos = self.0 as f64;
        nanos / 1e9
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(f, "{sign}${}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_to_the_nano() {
        for (dollars, nanos) in [
            (0.1, 100_000_000),
            (12.345_678_901, 12_345_678_901),
            (3_999_999.999_999_999, 3_999_999_999_999_999),
        ] {
            let amount = NanoUsd::from_dollars(dollars).unwrap();
            assert_eq!(amount.as_nanos(), nanos);
            assert_eq!(NanoUsd::from_dollars(amount.to_dollars()).unwrap(), amount);
        }
        for bad in [-0.01, f64::NAN, f64::INFINITY, 4_000_000.1] {
            assert!(NanoUsd::from_dollars(bad).is_err(), "{bad}");
        }
    }
}
