//! Waiting for more of limits that nodes share.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::usage::Latency;
use keystile_core::{Ask, Code, Refusal};

use crate::cached_key::CachedKey;
use crate::limiter::Left;
use crate::verifier::{Verdict, Verifier};

/// Too little is at hand of a limit that nodes share.
#[derive(Debug)]
pub(crate) struct Short;

/// So often a request waits for more, as others may take what has arrived.
pub(crate) const REFILLS: usize = 8;
/// Longest that it waits altogether, or little more.
const REFILL_TIMEOUT: Duration = Duration::from_secs(1);

impl Verifier {
    /// Decides about a key, of whose limits more may have to be asked for. It is decided anew about the key as it is then.
    pub(crate) async fn judge_waiting(
        &self,
        mut key: Arc<CachedKey>,
        ask: &Ask<'_>,
        latency: Latency,
    ) -> Verdict {
        let began = self.clock.elapsed();
        for _ in 0..REFILLS {
            if let Ok(verdict) = self.judge(&key, ask, latency) {
                return verdict;
            }
            let refill = self.limiter.refill(&key.demands(), ask.cost);
            refill.await;
            key = match self.as_it_is(&key).await {
                Ok(key) => key,
                Err(code) => return Verdict::refused(code),
            };
            if self.clock.elapsed().saturating_sub(began) > REFILL_TIMEOUT {
                break;
            }
        }
        self.judge(&key, ask, latency).unwrap_or_else(|Short| {
            // Others have taken all that came: it is full, unless nothing came at all.
            let refusal = match self.limiter.look(&key.demands(), ask.cost).1 {
                Err(exceeded) => Refusal::RateLimited(Box::new(exceeded)),
                Ok(()) => Refusal::Plain(Code::EnforcementUnavailable),
            };
            self.count_refusal(&key, &refusal, latency, self.clock.now());
            Verdict { key: Some(key), outcome: Err(refusal), left: Left::NONE }
        })
    }
}
