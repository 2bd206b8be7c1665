//! What a request is estimated to use: held with a yes, and told of with every answer about a key that has such limits.

use std::sync::Arc;
use std::time::Duration;

use keystile_bearer::RequestId;
use keystile_core::quota::{Amount, Need, Origin};
use keystile_core::{HoldId, Timestamp};
use keystile_verify::{BudgetRoom, CachedKey, Room, Terms, TokenRoom, Verdict};
use keystile_wire::{BudgetLeftView, Estimated, TokensLeft};

use crate::state::App;

/// So long a caller has to settle what was held for it: longer than nearly every request takes, and short enough that what is
/// forgotten is charged within the same hour.
pub(super) const CALLERS_DEADLINE: Duration = Duration::from_secs(15 * 60);
const PICOS_PER_NANO: u128 = 1_000;

/// What an answer tells beyond the decision.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Quotas {
    pub(super) hold: Option<(HoldId, Timestamp)>,
    pub(super) tokens: Option<TokensLeft>,
    pub(super) budget: Option<BudgetLeftView>,
}

/// What has to be held for an estimate. What it does not name is nothing.
pub(super) fn need(estimate: Estimated) -> Need {
    let nanos = estimate.cost.map_or(0, |cost| u128::try_from(cost.as_nanos()).unwrap_or(0));
    Need::of(Amount { tokens: estimate.tokens.unwrap_or(0), picos: nanos * PICOS_PER_NANO })
}

/// Holds what is estimated, if the verdict is a yes, which becomes a no if that does not fit. Tells what is left.
pub(super) async fn settle_in(
    app: &App,
    verdict: &mut Verdict,
    (estimate, model): (Option<Estimated>, Option<&str>),
    request_id: &RequestId,
) -> Quotas {
    let Some(key) = verdict.key.clone() else { return Quotas::default() };
    let mut hold = None;
    if let Some(estimate) = estimate.filter(|_| verdict.is_allowed()) {
        let terms = Terms {
            deadline: CALLERS_DEADLINE,
            origin: Origin::Caller,
            model: model.unwrap_or_default().into(),
            request_id: request_id.as_str().into(),
        };
        let deadline_at = app.control.present().plus(CALLERS_DEADLINE);
        match app.verifier.reserve_for_caller(&key, &need(estimate), terms).await {
            Ok(id) => hold = Some((id, deadline_at)),
            Err(refusal) => verdict.outcome = Err(refusal),
        }
    }
    Quotas { hold, ..left(app, &key).await }
}

/// What is left of the limits on tokens and money. What cannot be known now is left out.
pub(super) async fn left(app: &App, key: &Arc<CachedKey>) -> Quotas {
    if key.tokens().is_none() && key.budget().is_none() {
        return Quotas::default();
    }
    let Room { tokens, budget } = app.verifier.room(key).await.unwrap_or_default();
    Quotas { hold: None, tokens: tokens.map(tokens_left), budget: budget.map(budget_left) }
}

const fn tokens_left(room: TokenRoom) -> TokensLeft {
    let TokenRoom { limit, remaining, reset_millis } = room;
    TokensLeft { limit, remaining, reset_seconds: reset_millis.div_ceil(1_000) }
}

fn budget_left(room: BudgetRoom) -> BudgetLeftView {
    BudgetLeftView {
        max_usd: room.max.to_dollars(),
        spent_usd: room.spent.to_dollars(),
        held_usd: room.held.to_dollars(),
        remaining_usd: room.remaining.to_dollars(),
        ends_at: room.ends_at,
    }
}
