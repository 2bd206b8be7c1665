//! How the gateway is set up.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::Reach;

const MIB: usize = 1024 * 1024;

/// Bounds and patience of the gateway.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Which addresses upstreams may have.
    pub reach: Arc<Reach>,
    /// Bodies of requests.
    pub bodies: BodyBounds,
    /// How long things may take.
    pub patience: Patience,
}

/// Bounds on the bodies of requests, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyBounds {
    /// Longest body, but for media.
    pub longest: usize,
    /// Longest body with audio or images that are uploaded.
    pub longest_media: usize,
    /// Most memory for all bodies that are read or on their way to an upstream. A body for which there is no room is refused.
    pub memory: usize,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The body of a request, from its head to its last byte.
    pub body: Duration,
    /// A connection to an upstream, with look-up and handshake.
    pub connect: Duration,
    /// The head of an answer that is streamed; the next upstream is tried then. The head of an answer that comes as a whole may take
    /// as long as the whole.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// An answer, from the request to its last byte.
    pub total: Duration,
    /// How much longer an answer is read whose client is gone, so that it is charged with what the upstream says it cost. Only if the
    /// key has a budget.
    pub drain: Duration,
}

impl GatewaySettings {
    /// With upstreams within `reach`, and the usual bounds.
    pub fn reaching(reach: Reach) -> Self {
        Self { reach: Arc::new(reach), bodies: BodyBounds::default(), patience: Patience::default() }
    }
}

impl Default for BodyBounds {
    fn default() -> Self {
        Self { longest: 16 * MIB, longest_media: 25 * MIB, memory: 256 * MIB }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            body: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(600),
            drain: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// Longest that a hold is open when all goes well: the answer, and what is read of it when its client is gone, with time for the
    /// rest.
    pub(crate) fn of_holds(&self) -> Duration {
        const REST: Duration = Duration::from_secs(60);
        self.total.saturating_add(self.drain).saturating_add(REST)
    }
}
