//! How a key was used, as its page shows it.

use std::time::Duration;

use keystile_core::usage::{Span, Step};
use keystile_core::{Code, KeyId, Timestamp};
use keystile_manage::Caller;
use keystile_wire::{UsageCounts, UsageView};
use serde_json::json;

use crate::api::Answer;
use crate::state::App;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far back one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Week,
    Month,
}

impl Period {
    pub(super) const ALL: &'static [Self] = &[Self::Day, Self::Week, Self::Month];

    /// The period of this name; a day when it is none.
    pub(super) fn named(name: &str) -> Self {
        Self::ALL.iter().copied().find(|period| period.as_str() == name).unwrap_or(Self::Day)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    const fn step(self) -> Step {
        match self {
            Self::Day | Self::Week => Step::Hour,
            Self::Month => Step::Day,
        }
    }

    fn span(self, now: Timestamp) -> Answer<Span> {
        let from = match self {
            Self::Day | Self::Month => None,
            Self::Week => Some(now.minus(DAY * 7)),
        };
        Ok(Span::within(from, None, self.step(), now)?)
    }
}

/// What was counted of a key in a period.
pub(super) struct Usage {
    pub(super) period: Period,
    view: UsageView,
}

/// What was counted of a key up to this moment, what is only in memory included.
pub(super) async fn usage(
    app: &App,
    caller: &Caller,
    id: KeyId,
    period: Period,
    now: Timestamp,
) -> Answer<Usage> {
    let history = app.control.history(caller, id).await?;
    app.verifier.flush_usage(history.tenant_id(), history.key_id()).await?;
    let span = period.span(now)?;
    let sums = app.control.usage(history, span).await?;
    Ok(Usage { period, view: UsageView::new(span, sums) })
}

impl Usage {
    pub(super) const fn total(&self) -> &UsageCounts {
        &self.view.total
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.view.total.allowed == 0 && self.view.total.refused == 0
    }

    /// What the chart draws.
    pub(super) fn chart(&self) -> String {
        let points = &self.view.data;
        json!({
            "times": points.iter().map(|point| point.starts_at.as_seconds()).collect::<Vec<_>>(),
            "allowed": points.iter().map(|point| point.counts.allowed).collect::<Vec<_>>(),
            "refused": points.iter().map(|point| point.counts.refused).collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// The steps in which anything was counted, the latest first.
    pub(super) fn busy(&self) -> Vec<(Timestamp, u64, u64)> {
        let all = self
            .view
            .data
            .iter()
            .rev()
            .map(|point| (point.starts_at, point.counts.allowed, point.counts.refused));
        all.filter(|(_, allowed, refused)| *allowed > 0 || *refused > 0).collect()
    }

    /// Refusals by their code, the most frequent first.
    pub(super) fn refusals(&self) -> Vec<(Code, u64)> {
        let mut all: Vec<_> =
            self.view.total.refused_by_code.iter().map(|(code, count)| (*code, *count)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }

    pub(super) const fn step(&self) -> &'static str {
        match self.period.step() {
            Step::Minute => "minute",
            Step::Hour => "hour",
            Step::Day => "day (UTC)",
        }
    }
}

/// What a refusal means, in a few words.
pub(super) const fn meaning(code: &Code) -> &'static str {
    match code {
        Code::Allowed => "allowed",
        Code::KeyMissing => "no key was sent",
        Code::AmbiguousCredentials => "two keys were sent",
        Code::KeyMalformed => "the text was no key",
        Code::KeyNotFound => "the key is unknown",
        Code::KeyRevoked => "the key is revoked",
        Code::KeyExpired => "the key has expired",
        Code::KeyInactive => "the key is switched off",
        Code::WrongEnvironment => "used in another environment",
        Code::KeyBlocked => "the key is blocked",
        Code::WrongApplication => "used for another application",
        Code::IpNotAllowed => "used from another address",
        Code::WrongCustomer => "used for another customer",
        Code::PermissionDenied => "a permission was missing",
        Code::ModelNotAllowed => "another model was asked for",
        Code::RateLimited => "too many requests",
        Code::TokensLimited => "too many tokens",
        Code::BudgetExhausted => "the budget is used up",
        Code::EnforcementUnavailable => "limits could not be checked",
    }
}
