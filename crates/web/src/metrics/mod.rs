//! What is counted and measured of requests, for whoever operates the server. Nothing here names a tenant, a key, a client
//! or a path as it was sent, so the number of series is bounded by our own words.

mod cluster;
mod connections;
mod page;
mod requests;
mod shared_limits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use keystile_core::Code;
use keystile_measure::{Histogram, Striped, Turns};

use crate::problem::ApiProblem;
pub(crate) use connections::{Connections, Listener};
pub(crate) use page::{write, write_jobs};
use requests::{CLASSES, class};
pub(crate) use requests::{Routes, Verb};

const CODES: usize = Code::ALL.len();
const VERBS: usize = Verb::ALL.len();
/// One in so many requests of each hot path is measured: two readings of the clock cost as much as finding a key.
const MEASURED: u32 = 16;

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// From an answer out of memory to what no gateway waits for.
const BOUNDS: [Duration; 14] = [
    micros(5),
    micros(10),
    micros(25),
    micros(50),
    micros(100),
    micros(250),
    micros(500),
    micros(1_000),
    micros(2_500),
    micros(5_000),
    micros(10_000),
    micros(50_000),
    micros(250_000),
    micros(2_500_000),
];

/// Where a decision about a key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// A service asks about the key of its client, or about many.
    Verify,
    /// A gateway asks whether a request may pass.
    Authz,
    /// An Envoy asks whether a request may pass.
    Envoy,
    /// Software that speaks OAuth 2.0 asks whether a key is active.
    Introspection,
    /// The key is the credential of a call to Keystile itself.
    Caller,
    /// The key is the credential of a request to the LLM gateway.
    Llm,
}

impl Face {
    const ALL: [Self; 6] =
        [Self::Verify, Self::Authz, Self::Envoy, Self::Introspection, Self::Caller, Self::Llm];

    const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Authz => "authz",
            Self::Envoy => "envoy",
            Self::Introspection => "introspection",
            Self::Caller => "caller",
            Self::Llm => "llm",
        }
    }
}

/// A hot path: what the service answers without the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hot {
    /// `/api/v1/keys/verify`
    Verify,
    /// `/api/v1/authz/{application_id}`
    Authz,
    /// `/envoy.service.auth.v3.Authorization/Check`, on the listener for Envoy
    Envoy,
}

impl Hot {
    const ALL: [Self; 3] = [Self::Verify, Self::Authz, Self::Envoy];
}

thread_local! {
    // A path that shared its turns with another that is asked in a rhythm with it would be measured always or never.
    static TURNS: [Turns; Hot::ALL.len()] = const { [const { Turns::new() }; Hot::ALL.len()] };
}

/// Everything that is counted of requests.
#[derive(Default)]
pub(crate) struct Metrics {
    decisions: Striped<{ Face::ALL.len() * CODES }>,
    hot: [HotPath; Hot::ALL.len()],
    pub(crate) routes: Routes,
    connections: [Arc<Connections>; Listener::ALL.len()],
}

struct HotPath {
    requests: Striped<{ VERBS * CLASSES }>,
    durations: Histogram,
}

impl Default for HotPath {
    fn default() -> Self {
        Self { requests: Striped::default(), durations: Histogram::new(&BOUNDS) }
    }
}

impl Metrics {
    /// A decision about a key.
    pub(crate) fn decided(&self, face: Face, code: Code) {
        self.decisions.add_one(face as usize * CODES + code as usize);
    }

    /// A refusal, if it is a decision about a key.
    pub(crate) fn refused(&self, face: Face, problem: &ApiProblem) {
        if let Some(code) = problem.decision_code() {
            self.decided(face, code);
        }
    }

    /// What a gateway was answered.
    pub(crate) fn authorized<T>(&self, face: Face, answer: &Result<T, ApiProblem>) {
        match answer {
            Ok(_) => self.decided(face, Code::Allowed),
            Err(problem) => self.refused(face, problem),
        }
    }

    /// When a request of a hot path began, if it is one of those that are measured.
    #[expect(clippy::unused_self, reason = "whoever measures has what it is measured by")]
    pub(crate) fn begin(&self, hot: Hot) -> Option<Instant> {
        TURNS.with(|turns| turns[hot as usize].is_one_in(MEASURED)).then(Instant::now)
    }

    /// A request of a hot path was answered.
    pub(crate) fn answered(&self, hot: Hot, verb: Verb, status: StatusCode, began: Option<Instant>) {
        let path = &self.hot[hot as usize];
        path.requests.add_one(verb as usize * CLASSES + class(status));
        if let Some(began) = began {
            path.durations.record(began.elapsed());
        }
    }

    /// The connections of a listener.
    pub(crate) fn connections(&self, listener: Listener) -> &Arc<Connections> {
        &self.connections[listener as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hot_path_is_measured_whatever_comes_between_its_requests() {
        let metrics = Metrics::default();
        let mut measured = [0; Hot::ALL.len()];
        for _ in 0..32 {
            for hot in [Hot::Verify, Hot::Authz] {
                measured[hot as usize] += usize::from(metrics.begin(hot).is_some());
            }
        }
        assert_eq!(measured, [2, 2, 0]);
    }
}
