//! What operators see of the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use keystile_core::llm::Consumption;
use keystile_measure::{Exposition, Striped};

use crate::client::Failure;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client has a whole answer of an upstream, or of ours.
    Answered,
    /// The key may not, or not now.
    Refused,
    /// The request breaks a rule.
    Invalid,
    /// An upstream refused it, in its own words.
    UpstreamRefused,
    /// No upstream answered, or one broke off.
    UpstreamFailed,
    /// The client left before it had all.
    Left,
    /// It was cut because the key may not any more.
    Cut,
    /// The server stopped.
    Stopped,
}

impl Ending {
    const ALL: [Self; 8] = [
        Self::Answered,
        Self::Refused,
        Self::Invalid,
        Self::UpstreamRefused,
        Self::UpstreamFailed,
        Self::Left,
        Self::Cut,
        Self::Stopped,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::Left => "client_left",
            Self::Cut => "cut",
            Self::Stopped => "stopped",
        }
    }
}

/// What an upstream did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection.
    Unconnected,
    /// An address that may not be connected to.
    Forbidden,
    /// A connection that broke off.
    Broken,
    /// No answer, or nothing more of it, in time.
    Late,
    /// It says that it has not looked at the request, on two connections.
    Unprocessed,
    /// 429.
    Limited,
    /// 5xx.
    Failing,
    /// It does not take the credential or the account of the gateway.
    Refused,
}

impl Trouble {
    const ALL: [Self; 8] = [
        Self::Unconnected,
        Self::Forbidden,
        Self::Broken,
        Self::Late,
        Self::Unprocessed,
        Self::Limited,
        Self::Failing,
        Self::Refused,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Unconnected => "unconnected",
            Self::Forbidden => "forbidden",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Unprocessed => "unprocessed",
            Self::Limited => "limited",
            Self::Failing => "failing",
            Self::Refused => "refused",
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unconnected => Self::Unconnected,
            Failure::Forbidden => Self::Forbidden,
            Failure::Broken => Self::Broken,
            Failure::Late => Self::Late,
            Failure::Unprocessed => Self::Unprocessed,
        }
    }
}

/// Everything that is counted. Nothing names a tenant, a key or a model.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    endings: Striped<{ Ending::ALL.len() }>,
    troubles: Striped<{ Trouble::ALL.len() }>,
    failovers: Striped,
    tokens: [AtomicU64; TOKENS.len()],
    streams: AtomicUsize,
    drains: AtomicUsize,
}

/// Kinds of tokens, in the order in which they are counted.
const TOKENS: [&str; 4] = ["input", "cached_input", "cache_write", "output"];

/// An answer that is read on for a client that is gone, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Draining(Arc<Counts>);

/// A streamed answer that is under way until the value is dropped.
#[derive(Debug)]
pub(crate) struct Streaming(Arc<Counts>);

impl Counts {
    pub(crate) fn ended(&self, ending: Ending) {
        self.endings.add_one(ending as usize);
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.troubles.add_one(trouble as usize);
    }

    pub(crate) fn failed_over(&self) {
        self.failovers.add_one(0);
    }

    pub(crate) fn used(&self, used: &Consumption) {
        let counts = [used.input, used.cached_input, used.cache_write, used.output];
        for (total, count) in self.tokens.iter().zip(counts) {
            total.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn streaming(self: &Arc<Self>) -> Streaming {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Streaming(Arc::clone(self))
    }

    /// What is read on for a client that is gone, unless there is too much of that.
    pub(crate) fn draining(self: &Arc<Self>, most: usize) -> Option<Draining> {
        let before = self.drains.fetch_add(1, Ordering::Relaxed);
        // The value gives its place back, also when nobody gets it because there was no room.
        let draining = Draining(Arc::clone(self));
        (before < most).then_some(draining)
    }

    /// Writes all of it; `holds` are those that are open.
    pub(crate) fn write(&self, page: &mut Exposition, holds: usize) {
        let help = "Requests to the LLM gateway, by how they ended.";
        let mut family = page.counter("keystile_gateway_requests_total", help);
        for ending in Ending::ALL {
            family.count(&[("outcome", ending.name())], self.endings.sum(ending as usize));
        }
        let help = "Times that an upstream could not be used, or not at once, by what went wrong.";
        let mut family = page.counter("keystile_gateway_upstream_failures_total", help);
        for trouble in Trouble::ALL {
            family.count(&[("reason", trouble.name())], self.troubles.sum(trouble as usize));
        }
        let help = "Times that the next upstream was tried.";
        page.counter("keystile_gateway_failovers_total", help).count(&[], self.failovers.sum(0));
        let help = "Tokens that were charged, by kind.";
        let mut family = page.counter("keystile_gateway_tokens_total", help);
        for (kind, count) in TOKENS.iter().zip(&self.tokens) {
            family.count(&[("kind", *kind)], count.load(Ordering::Relaxed));
        }
        page.gauge("keystile_gateway_streams", "Streamed answers that are under way.")
            .size(&[], self.streams.load(Ordering::Relaxed));
        let help = "Answers that are read to their end for clients that are gone.";
        page.gauge("keystile_gateway_drains", help).size(&[], self.drains.load(Ordering::Relaxed));
        page.gauge("keystile_gateway_holds", "Requests to upstreams that are not charged yet.")
            .size(&[], holds);
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        self.0.drains.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_counted_stands_on_the_page_under_a_name_of_its_own() {
        let counts = Arc::new(Counts::default());
        Ending::ALL.iter().for_each(|ending| counts.ended(*ending));
        Trouble::ALL.iter().for_each(|trouble| counts.trouble(*trouble));
        counts.used(&Consumption { input: 7, cached_input: 5, output: 3, ..Consumption::default() });
        let _streaming = counts.streaming();
        let mut page = Exposition::default();
        counts.write(&mut page, 2);
        let page = page.into_text();
        for line in [
            "keystile_gateway_requests_total{outcome=\"cut\"} 1",
            "keystile_gateway_upstream_failures_total{reason=\"late\"} 1",
            "keystile_gateway_tokens_total{kind=\"cached_input\"} 5",
            "keystile_gateway_tokens_total{kind=\"cache_write\"} 0",
            "keystile_gateway_streams 1",
            "keystile_gateway_holds 2",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn no_more_is_read_on_at_once_than_may_be() {
        let counts = Arc::new(Counts::default());
        let first = counts.draining(1);
        assert!(first.is_some() && counts.draining(1).is_none());
        drop(first);
        assert!(counts.draining(1).is_some());
    }
}
