//! What a key has left.

use std::sync::Arc;

use keystile_core::quota::{Budget, BudgetLeft, Need};
use keystile_core::{KeyId, NanoUsd, Refusal, TenantId, Timestamp};

use super::Quota;
use super::account::{Account, TokenFit};
use super::leasing::{LEASE_TIMEOUT, unavailable};

/// What is left to a key of its limits on tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Of its tokens, if they are limited.
    pub tokens: Option<TokenRoom>,
    /// Of its budget, if it has one.
    pub budget: Option<BudgetRoom>,
}

/// What is left of a limit on tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRoom {
    /// Tokens per minute.
    pub limit: u64,
    /// Tokens that could be taken now.
    pub remaining: u64,
    /// Milliseconds until nothing is used any more, if nobody takes any.
    pub reset_millis: u64,
}

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetRoom {
    /// Most that may be spent in the period.
    pub max: NanoUsd,
    /// What is spent.
    pub spent: NanoUsd,
    /// What is held for requests under way.
    pub held: NanoUsd,
    /// What could be held now.
    pub remaining: NanoUsd,
    /// When the budget begins anew; `None` if never.
    pub ends_at: Option<Timestamp>,
}

impl Quota {
    /// What is left, if that is known without asking the authority.
    pub(super) fn known_room(
        &self,
        account: &Arc<Account>,
        (tokens, budget): (Option<u64>, Option<Budget>),
    ) -> Option<Room> {
        let moment = self.moment();
        let mut inner = account.lock();
        let tokens = tokens.map(|limit| inner.tokens().room(limit, moment.now));
        let budget = match budget {
            None => None,
            Some(budget) => {
                let pocket = inner.pocket(budget, moment);
                if pocket.is_untold() {
                    return None;
                }
                Some(pocket.room(budget))
            }
        };
        Some(Room { tokens, budget })
    }

    /// Whether the tokens of a request would fit, taking none.
    pub(super) fn tokens_fit(
        &self,
        account: &Account,
        limit: Option<u64>,
        need: &Need,
    ) -> Result<(), Refusal> {
        let Some(limit) = limit else { return Ok(()) };
        match account.lock().tokens().look(limit, need, self.clock.elapsed_millis()) {
            TokenFit::Units(_) | TokenFit::Short(_) => Ok(()),
            TokenFit::Full(exceeded) => Err(Refusal::TokensLimited(Box::new(exceeded))),
            TokenFit::Unavailable => Err(unavailable()),
        }
    }

    /// Whether the cost of a request would fit, leasing nothing.
    pub(super) async fn money_fits(
        self: &Arc<Self>,
        account: &Arc<Account>,
        (whose, budget): ((TenantId, KeyId), Option<Budget>),
        need: &Need,
    ) -> Result<(), Refusal> {
        let Some(budget) = budget else { return Ok(()) };
        let room = self.room(account, whose, (None, Some(budget)), LEASE_TIMEOUT).await;
        let room = room.ok().and_then(|room| room.budget).ok_or_else(unavailable)?;
        let fitting = need.units_within_money(room.remaining).filter(|units| *units >= need.least);
        let left = || BudgetLeft {
            max: room.max,
            spent: room.spent,
            held: room.held,
            period: budget.period,
            ends_at: room.ends_at,
        };
        fitting.map(drop).ok_or_else(|| Refusal::BudgetExhausted(Box::new(left())))
    }
}
