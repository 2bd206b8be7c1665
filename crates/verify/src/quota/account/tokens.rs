//! What a lineage has used of its tokens per minute: as this server counts it, or as the nodes of a cluster do together.

use std::sync::Arc;

use keystile_core::quota::{Need, TakenAt, TokenMeter, TokensExceeded};
use keystile_core::rate::{Used, UsedLimit};
use keystile_core::{KeyId, Rates, WhenAway};

use crate::quota::room::TokenRoom;
use crate::shared::{Desk, Fit, Inner as Known, Joint, Now};

/// See the module.
pub(in crate::quota) enum Tokens {
    /// This server is the authority.
    Own(TokenMeter),
    /// Nodes share the limit.
    Shared(Box<SharedTokens>),
}

/// Tokens of a limit that nodes share.
pub(in crate::quota) struct SharedTokens {
    desk: Arc<Desk>,
    joint: Arc<Joint>,
    /// The limit as it was asked for last.
    rates: Rates,
}

/// How tokens were taken.
#[derive(Debug, Clone, Copy)]
pub(in crate::quota) enum Taken {
    /// Here, when so much had leaked.
    Own(TakenAt),
    /// From what nodes share, after this statement, in milliseconds of the clock that nobody sets.
    Shared { after: u64, at: u64 },
}

/// Whether a request fits.
pub(in crate::quota) enum TokenFit {
    /// With so many units.
    Units(u64),
    /// It does not.
    Full(TokensExceeded),
    /// More has to be reserved.
    Short(TokenShortage),
    /// Whoever answers for the limit is away, and requests are to be refused then.
    Unavailable,
}

/// Tokens that have to be reserved.
pub(in crate::quota) struct TokenShortage {
    desk: Arc<Desk>,
    joint: Arc<Joint>,
    least: u64,
    most: u64,
}

impl TokenShortage {
    /// Waits until more was perhaps reserved.
    pub(in crate::quota) async fn refill(self) {
        self.desk.refill(&self.joint, self.least, self.most).await;
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::Own(TokenMeter::default())
    }
}

impl Tokens {
    /// From now on nodes share it, beginning with what is known to be used.
    pub(in crate::quota) fn share(&mut self, desk: &Arc<Desk>, lineage_id: KeyId) {
        if let Self::Own(meter) = self {
            let now = desk.now().elapsed;
            meter.advance(meter.limit(), now);
            let used =
                meter.to_record().map_or_else(Used::default, |kept| Used::from_record(&[kept], 0, now));
            let joint = Joint::new(&format!("tokens:{lineage_id}"), used);
            let shared = SharedTokens { desk: Arc::clone(desk), joint, rates: Rates::NONE };
            *self = Self::Shared(Box::new(shared));
        }
    }

    /// With how many units a request fits. `asked` says that it has waited for more to be reserved.
    pub(in crate::quota) fn fit(&mut self, limit: u64, need: &Need, now: u64, asked: bool) -> TokenFit {
        match self {
            Self::Own(meter) => {
                meter.advance(limit, now);
                let fewest = if meter.is_clear() { need.fewest() } else { need.least };
                let fitting = need.units_within_tokens(meter.remaining());
                let fitting = fitting.filter(|units| *units >= fewest);
                fitting.map_or_else(|| TokenFit::Full(exceeded(meter, need)), TokenFit::Units)
            }
            Self::Shared(shared) => shared.fit(limit, need, asked),
        }
    }

    /// The same, as far as it is known without asking.
    pub(in crate::quota) fn look(&mut self, limit: u64, need: &Need, now: u64) -> TokenFit {
        match (self.fit(limit, need, now, false), self) {
            (TokenFit::Short(_), Self::Shared(shared)) => shared.look(need),
            (known, _) => known,
        }
    }

    /// Takes tokens that were found to fit, or to have been taken.
    pub(in crate::quota) fn take(&mut self, tokens: u64) -> Taken {
        match self {
            Self::Own(meter) => Taken::Own(meter.take(tokens)),
            Self::Shared(shared) => shared.take(tokens),
        }
    }

    /// Of `taken` tokens so many were used.
    pub(in crate::quota) fn settle(&mut self, taken: u64, how: Taken, used: u64, now: u64) {
        match (self, how) {
            (Self::Own(meter), Taken::Own(at)) => {
                meter.advance(meter.limit(), now);
                meter.settle(taken, at, used);
            }
            (Self::Shared(shared), Taken::Shared { after, at }) => shared.settle(taken, (after, at), used),
            // It was taken before nodes shared it, or by another process: nothing is given back.
            (Self::Own(_), Taken::Shared { .. }) | (Self::Shared(_), Taken::Own(_)) => {}
        }
    }

    /// What is left, as far as it is known.
    pub(in crate::quota) fn room(&mut self, limit: u64, now: u64) -> TokenRoom {
        match self {
            Self::Own(meter) => {
                meter.advance(limit, now);
                let (remaining, reset_millis) = (meter.remaining(), meter.reset_millis());
                TokenRoom { limit: meter.limit(), remaining, reset_millis }
            }
            Self::Shared(shared) => shared.with(limit, |known, _| {
                let (remaining, reset_millis) = (known.left(), known.used_mut().reset_millis());
                TokenRoom { limit, remaining, reset_millis }
            }),
        }
    }

    /// Whether forgetting it changes nothing.
    pub(in crate::quota) fn is_unused(&self, now: u64) -> bool {
        match self {
            Self::Own(meter) => meter.is_unused(now),
            Self::Shared(shared) => shared.joint.is_spent(now),
        }
    }

    /// What nodes share, if any are known to be used.
    pub(in crate::quota) fn shared(&self, now: u64) -> Option<Arc<Joint>> {
        let Self::Shared(shared) = self else { return None };
        let is_unused = shared.joint.lock().used_mut().is_unused(now);
        (!is_unused).then(|| Arc::clone(&shared.joint))
    }

    /// What is used, to be kept over a restart, and when nothing will be.
    pub(in crate::quota) fn record(&mut self, now: u64) -> Option<(UsedLimit, u64)> {
        match self {
            Self::Own(meter) => {
                meter.advance(meter.limit(), now);
                Some((meter.to_record()?, meter.reset_millis()))
            }
            Self::Shared(shared) => {
                let mut known = shared.joint.lock();
                let used = known.used_mut();
                used.pass(now);
                let kept = used.to_record().pop().filter(|kept| kept.level > 0)?;
                Some((kept, used.reset_millis()))
            }
        }
    }
}

impl SharedTokens {
    /// What is known, under this limit.
    fn with<T>(&mut self, limit: u64, look: impl FnOnce(&mut Known, Now) -> T) -> T {
        if self.rates.as_slice().first().is_none_or(|rate| rate.limit() != limit) {
            self.rates = Rates::of_tokens(limit);
        }
        let now = self.desk.now();
        let mut known = self.joint.lock();
        known.advance(&self.rates, now);
        look(&mut known, now)
    }

    fn fit(&mut self, limit: u64, need: &Need, asked: bool) -> TokenFit {
        let (desk, joint) = (Arc::clone(&self.desk), Arc::clone(&self.joint));
        self.with(limit, |known, now| {
            let fewest = if known.is_clear() { need.fewest() } else { need.least };
            let (least, most) = (need.at(fewest).tokens, need.at(need.most).tokens.min(limit));
            if least > limit {
                return TokenFit::Full(refused(known, need, limit, now));
            }
            let within = |tokens| need.units_within_tokens(tokens).filter(|units| *units >= fewest);
            let usable = known.holding.usable(now.unslept);
            let away = desk.away_for(known, now);
            let is_shut = known.holding.shut(least, now.unslept).is_some();
            if (usable >= most || asked || is_shut || away.is_some())
                && let Some(units) = within(usable)
            {
                return TokenFit::Units(units);
            }
            match away {
                Some(away) if away.usual == WhenAway::Refuse => TokenFit::Unavailable,
                Some(away) => within(known.left() / away.nodes)
                    .map_or_else(|| TokenFit::Full(refused(known, need, limit, now)), TokenFit::Units),
                None if is_shut => TokenFit::Full(refused(known, need, limit, now)),
                None => TokenFit::Short(TokenShortage { desk: Arc::clone(&desk), joint, least, most }),
            }
        })
    }

    fn look(&mut self, need: &Need) -> TokenFit {
        let limit = self.rates.as_slice().first().map_or(1, keystile_core::Rate::limit);
        self.with(limit, |known, now| {
            let fewest = if known.is_clear() { need.fewest() } else { need.least };
            let within = need.units_within_tokens(known.left()).filter(|units| *units >= fewest);
            within.map_or_else(|| TokenFit::Full(refused(known, need, limit, now)), TokenFit::Units)
        })
    }

    fn take(&mut self, tokens: u64) -> Taken {
        let (now, away) = (self.desk.now(), self.desk.as_if_away());
        let mut known = self.joint.lock();
        let after = known.holding.sent();
        let is_reserved = known.holding.usable(now.unslept) >= tokens;
        known.take(tokens, if is_reserved { Fit::Reserved } else { Fit::OwnPart }, away, now);
        drop(known);
        self.desk.activate(&self.joint);
        Taken::Shared { after, at: now.elapsed }
    }

    fn settle(&mut self, taken: u64, (after, at): (u64, u64), used: u64) {
        let now = self.desk.now();
        let mut known = self.joint.lock();
        match used.checked_sub(taken) {
            Some(beyond) => known.overrun(beyond, now),
            None => {
                let leaked = known.leaked(now.elapsed.saturating_sub(at));
                known.put_back(taken - used, taken.saturating_sub(leaked), after, now);
            }
        }
        drop(known);
        self.desk.activate(&self.joint);
    }
}

fn exceeded(meter: &TokenMeter, need: &Need) -> TokensExceeded {
    let (limit, requested) = (meter.limit(), need.at(need.least).tokens);
    let wait_millis = if need.at(need.fewest()).tokens > limit {
        None
    } else if requested > limit {
        // It is cut to fit when nothing is used.
        Some(meter.reset_millis())
    } else {
        meter.wait(requested)
    };
    TokensExceeded { limit, used: meter.used(), requested, wait_millis }
}

fn refused(known: &mut Known, need: &Need, limit: u64, now: Now) -> TokensExceeded {
    let requested = need.at(need.least).tokens;
    let wait_millis = if need.at(need.fewest()).tokens > limit {
        None
    } else if requested > limit {
        Some(known.used_mut().reset_millis())
    } else {
        known.wait(requested, now)
    };
    let used = limit - known.left().min(requested.saturating_sub(1)).min(limit);
    TokensExceeded { limit, used, requested, wait_millis }
}
