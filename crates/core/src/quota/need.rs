//! What a request may use at most, before anybody knows what it will.

use crate::NanoUsd;

/// Billionths in pico-dollars.
const PICOS_PER_NANO: u128 = 1_000;
/// Beyond every budget there can be, and far enough from the end of the integer for sums of many.
const MOST_NANOS: i64 = i64::MAX / 1_000;

/// Tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Tokens of any kind.
    pub tokens: u64,
    /// Money, in pico-dollars.
    pub picos: u128,
}

impl Amount {
    /// Nothing.
    pub const NOTHING: Self = Self { tokens: 0, picos: 0 };

    /// The money, rounded up to whole nano-dollars. What no budget could hold is held to nine million dollars.
    pub fn cost(&self) -> NanoUsd {
        let nanos = i64::try_from(self.picos.div_ceil(PICOS_PER_NANO)).unwrap_or(MOST_NANOS);
        NanoUsd::from_nanos(nanos.min(MOST_NANOS))
    }
}

/// What a request needs: something fixed, and as many of something that it can be cut down to as fit.
///
/// `fixed` is its input. `each` is one more token of output (of all its choices), which is taken for as many units from `least` to `most`
/// as fit. Where nothing is used of the limit on tokens and `least` does not fit, fewer are taken, down to one: a low limit must
/// not refuse a first request that could be cut to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Taken in any case.
    pub fixed: Amount,
    /// Taken for each unit.
    pub each: Amount,
    /// The fewest units that are of use.
    pub least: u64,
    /// The most units that can be used; not below `least`.
    pub most: u64,
}

impl Need {
    /// Exactly this.
    pub const fn of(amount: Amount) -> Self {
        Self { fixed: amount, each: Amount::NOTHING, least: 0, most: 0 }
    }

    /// What so many units need.
    pub const fn at(&self, units: u64) -> Amount {
        Amount {
            tokens: self.fixed.tokens.saturating_add(self.each.tokens.saturating_mul(units)),
            picos: self.fixed.picos.saturating_add(self.each.picos.saturating_mul(units as u128)),
        }
    }

    /// The most units for which so many tokens are enough; `None` if not even what is fixed fits.
    pub fn units_within_tokens(&self, tokens: u64) -> Option<u64> {
        let rest = tokens.checked_sub(self.fixed.tokens)?;
        Some(rest.checked_div(self.each.tokens).map_or(self.most, |units| units.min(self.most)))
    }

    /// The most units for which so much money is enough; `None` if not even what is fixed fits.
    pub fn units_within_money(&self, money: NanoUsd) -> Option<u64> {
        let picos = u128::try_from(money.as_nanos()).ok()? * PICOS_PER_NANO;
        let rest = picos.checked_sub(self.fixed.picos)?;
        let within = |units: u128| u64::try_from(units).unwrap_or(u64::MAX).min(self.most);
        Some(rest.checked_div(self.each.picos).map_or(self.most, within))
    }

    /// The fewest units that are taken when nothing is used of the limit on tokens.
    pub const fn fewest(&self) -> u64 {
        if self.least == 0 { 0 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need = Need {
        fixed: Amount { tokens: 10, picos: 1_500 },
        each: Amount { tokens: 3, picos: 700 },
        least: 2,
        most: 9,
    };

    #[test]
    fn money_is_rounded_up_once_over_the_sum() {
        assert_eq!(NEED.at(0).cost().as_nanos(), 2);
        assert_eq!(NEED.at(3).cost().as_nanos(), 4, "1.5 and three times 0.7 are 3.6");
        assert_eq!(Amount { tokens: 0, picos: u128::MAX }.cost().as_nanos(), MOST_NANOS);
    }

    #[test]
    fn as_many_units_as_fit_are_no_more_than_most() {
        assert_eq!([9, 10, 12, 13, 36, 37, 99].map(|tokens| NEED.units_within_tokens(tokens)), [
            None,
            Some(0),
            Some(0),
            Some(1),
            Some(8),
            Some(9),
            Some(9)
        ]);
        let within = |nanos| NEED.units_within_money(NanoUsd::from_nanos(nanos));
        assert_eq!([-1, 1, 2, 3, 7, 8, 99].map(within), [
            None,
            None,
            Some(0),
            Some(2),
            Some(7),
            Some(9),
            Some(9)
        ]);
    }

    #[test]
    fn units_within_money_are_the_most_whose_cost_fits() {
        for nanos in 0..20 {
            let money = NanoUsd::from_nanos(nanos);
            match NEED.units_within_money(money) {
                None => assert!(NEED.at(0).cost() > money),
                Some(units) => {
                    assert!(NEED.at(units).cost() <= money);
                    assert!(units == NEED.most || NEED.at(units + 1).cost() > money);
                }
            }
        }
    }
}
