//! What a request may cost before it is sent: the true upper bound.
//!
//! A token of a byte-level encoding is at least a byte, so a text has no more tokens than bytes. What the upstream adds to a message, a
//! tool or an image is a constant on top, chosen above all that is documented. Nothing is more than the model's window. What cannot be
//! bounded at all is refused where a bound is needed.

mod load;
mod prompt;
mod refused;
mod vision;

use keystile_core::llm::{Price, Upstream};
use keystile_core::quota::{Amount, Need};

use crate::call::Call;
use crate::fault::Fault;

pub(crate) use load::Load;

/// Units of output where nothing caps it. More than any model gives.
pub const UNCAPPED: u64 = 1 << 32;
/// The fewest tokens that an answer is cut down to while others may use what is left: as few as OpenAI takes for a cap.
const LEAST_OUTPUT: u64 = 16;
/// The cap of an answer where neither client nor model says any.
const USUAL_OUTPUT: u64 = 4_096;
/// What a text goes on for where a client of the old completions says nothing, as documented.
const USUAL_COMPLETION: u64 = 16;

/// What bears on a key, and therefore has to be bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budgeted {
    /// Neither a limit on tokens nor a budget: nothing is refused for being unbounded, and no cap is put in.
    No,
    /// A limit on tokens, and no budget.
    Tokens,
    /// A budget: everything must have a price.
    Money,
}

impl Call {
    /// The most that this request can use at `upstream`: its input, and the output of which it can be cut to what fits.
    ///
    /// # Errors
    /// When it cannot be bounded, or what it uses has no price, and `budgeted` says that it must.
    pub fn need(&self, upstream: &Upstream, budgeted: Budgeted) -> Result<Need, Fault> {
        self.weigh(upstream, budgeted).map(|(need, _)| need)
    }

    /// The same, with what of each kind it can use.
    ///
    /// # Errors
    /// As [`Self::need`].
    pub(crate) fn weigh(&self, upstream: &Upstream, budgeted: Budgeted) -> Result<(Need, Load), Fault> {
        if self.operation().is_free() {
            return Ok((Need::of(Amount::NOTHING), Load::default()));
        }
        let price = upstream.model.price.as_ref();
        if budgeted == Budgeted::Money {
            let named = || Fault::price_unknown(self.model().unwrap_or_default());
            let price = price.ok_or_else(named)?;
            if !load::has_price(self.operation(), price) {
                return Err(named());
            }
        }
        if budgeted != Budgeted::No {
            refused::refuse(self)?;
        }
        let load = Load::of(self, upstream);
        if budgeted != Budgeted::No
            && let Some(hidden) = &load.unbounded
        {
            return Err(Fault::unbounded(
                hidden,
                "cannot be bounded, as the window of this model is not known",
            ));
        }
        let fixed =
            Amount { tokens: load.fixed_tokens(), picos: price.map_or(0, |price| load.fixed_picos(price)) };
        let Some(choices) = load.choices else { return Ok((Need::of(fixed), load)) };
        let of_one = price.map_or(0, |price| price.output.as_picos());
        let each = Amount { tokens: choices, picos: picos(of_one, choices) };
        let most = self.most(upstream, &load, budgeted);
        let least = LEAST_OUTPUT.max(self.thinking().saturating_add(1)).min(most);
        Ok((Need { fixed, each, least, most }, load))
    }

    /// The most tokens that each answer may have.
    fn most(&self, upstream: &Upstream, load: &Load, budgeted: Budgeted) -> u64 {
        let model = &upstream.model;
        let ceiling = [model.max_output_tokens, model.context_window].into_iter().flatten().min();
        match (self.cap(), budgeted) {
            (cap, Budgeted::No) => cap.unwrap_or(UNCAPPED),
            (Some(cap), Budgeted::Tokens | Budgeted::Money) => {
                ceiling.map_or(cap, |ceiling| cap.min(ceiling))
            }
            (None, Budgeted::Tokens | Budgeted::Money) if self.is_completion() => USUAL_COMPLETION,
            (None, Budgeted::Tokens | Budgeted::Money) => {
                // Providers refuse a cap that leaves no room for the input. The bound of a long input is several times what it has, so a
                // quarter of the window is left in any case.
                let room = model.context_window.map(|window| window - load.input.min(window / 4 * 3));
                [ceiling, room].into_iter().flatten().min().unwrap_or(USUAL_OUTPUT)
            }
        }
    }

    /// Tokens that are to be thought before there is an answer.
    fn thinking(&self) -> u64 {
        let thinking = self.body().object().and_then(|object| object.given("thinking")?.as_object());
        thinking.and_then(|thinking| thinking.given("budget_tokens")?.as_count()).unwrap_or(0)
    }
}

/// What so many cost.
fn picos(price: u64, count: u64) -> u128 {
    u128::from(price) * u128::from(count)
}

/// The dearest that a token of input can be: read from a cache, written to it, or neither.
fn dearest_input(price: &Price) -> u64 {
    let others = [price.cached_input, price.cache_write].into_iter().flatten();
    others.fold(price.input, Ord::max).as_picos()
}

#[cfg(test)]
pub(crate) mod tests;
