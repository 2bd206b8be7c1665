//! Series that scripts draw, and the words that tell the same to whoever does not see them.

use keystile_core::Timestamp;
use keystile_core::usage::Step;
use keystile_wire::{IngestView, UsageView};
use serde::Serialize;

use super::parts;

/// How far back a chart goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// As the query names it.
    pub(super) word: &'static str,
    /// What the choice is called.
    pub(super) name: &'static str,
    /// What was counted, in a sentence.
    pub(super) during: &'static str,
    pub(super) step: Step,
    /// How many steps back it begins.
    pub(super) seconds: u64,
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// The choices.
pub(super) const RANGES: &[Range] = &[
    Range { word: "1h", name: "1 h", during: "in the last hour", step: Step::Minute, seconds: HOUR },
    Range { word: "24h", name: "24 h", during: "in the last 24 hours", step: Step::Hour, seconds: DAY },
    Range { word: "7d", name: "7 d", during: "in the last 7 days", step: Step::Hour, seconds: 7 * DAY },
    Range { word: "30d", name: "30 d", during: "in the last 30 days", step: Step::Day, seconds: 30 * DAY },
];

impl Range {
    /// The choice of this word; the last day unless it is one.
    pub(super) fn named(word: &str) -> Self {
        RANGES.iter().find(|range| range.word == word).copied().unwrap_or(RANGES[1])
    }

    /// What one point of the chart is of.
    pub(super) const fn step_name(&self) -> &'static str {
        match self.step {
            Step::Minute => "minute",
            Step::Hour => "hour",
            Step::Day => "day of UTC",
        }
    }
}

/// Requests or events over time.
pub(super) struct Chart {
    /// What the script draws.
    pub(super) series: String,
    /// The same: when a step begins, how many were not refused in it, and how many were.
    points: Vec<(Timestamp, u64, u64)>,
    /// What those are called that were not refused.
    pub(super) good: &'static str,
    pub(super) allowed: u64,
    pub(super) refused: u64,
    /// Refusals by their code or reason, the most frequent first.
    pub(super) refusals: Vec<(&'static str, u64)>,
}

#[derive(Serialize)]
struct Series {
    times: Vec<i64>,
    allowed: Vec<u64>,
    refused: Vec<u64>,
}

impl Chart {
    pub(super) fn of(view: &UsageView) -> Self {
        let points = view.data.iter();
        let points: Vec<_> =
            points.map(|point| (point.starts_at, point.counts.allowed, point.counts.refused)).collect();
        let refusals = view.total.refused_by_code.iter().map(|(code, count)| (code.as_str(), *count));
        Self {
            series: Series::of(&points).written(),
            points,
            good: "allowed",
            allowed: view.total.allowed,
            refused: view.total.refused,
            refusals: frequent_first(refusals),
        }
    }

    /// Events that were kept, and those that were refused.
    pub(super) fn of_events(view: &IngestView) -> Self {
        let points = view.data.iter();
        let points: Vec<_> =
            points.map(|point| (point.starts_at, point.counts.accepted, point.counts.refused)).collect();
        let refusals = view.total.refused_by_reason.iter().map(|(reason, count)| (reason.as_str(), *count));
        Self {
            series: Series::of(&points).written(),
            points,
            good: "accepted",
            allowed: view.total.accepted,
            refused: view.total.refused,
            refusals: frequent_first(refusals),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.allowed == 0 && self.refused == 0
    }

    /// The steps in which anything was counted, the latest first.
    pub(super) fn busy(&self) -> impl Iterator<Item = (Timestamp, u64, u64)> {
        self.points.iter().rev().copied().filter(|(_, good, refused)| *good > 0 || *refused > 0)
    }

    /// The chart in a sentence.
    pub(super) fn told(&self, range: &Range) -> String {
        let (allowed, refused) = (parts::number(self.allowed), parts::number(self.refused));
        format!("{allowed} {} and {refused} refused {}.", self.good, range.during)
    }

    /// Which part of the requests was refused: `0.4 %`.
    pub(super) fn refused_share(&self) -> String {
        let all = self.allowed + self.refused;
        let tenths = (self.refused * 1_000).checked_div(all).unwrap_or(0);
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

impl Series {
    fn of(points: &[(Timestamp, u64, u64)]) -> Self {
        Self {
            times: points.iter().map(|(at, ..)| at.as_seconds()).collect(),
            allowed: points.iter().map(|(_, good, _)| *good).collect(),
            refused: points.iter().map(|(.., refused)| *refused).collect(),
        }
    }

    fn written(&self) -> String {
        // Numbers alone: nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Refusals, the most frequent first.
pub(super) fn frequent_first(
    refusals: impl Iterator<Item = (&'static str, u64)>,
) -> Vec<(&'static str, u64)> {
    let mut refusals: Vec<_> = refusals.collect();
    refusals.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    refusals
}
