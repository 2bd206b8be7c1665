//! Many questions at a time.

use std::sync::Arc;

use keystile_core::usage::Latency;
use keystile_core::{Ask, Code};

use crate::cached_key::CachedKey;
use crate::verifier::{Cold, Verdict, Verifier};

/// After so many questions others get their turn: deciding about them takes about as long as a few requests do.
const QUESTIONS_A_TURN: usize = 32;

/// The question at this place needs more of a limit that nodes share.
type ShortOne = (usize, Arc<CachedKey>, Latency);

impl Verifier {
    /// Decides about each key as [`Self::verify`] does, and answers in order. A key that stands here twice is counted twice.
    /// Keys that are not in memory are read together, after the others were decided about; that takes at most
    /// [`crate::FILL_TIMEOUT`] for all of them. Needs a Tokio runtime with time enabled.
    pub async fn verify_all(&self, questions: &[(&str, Ask<'_>)]) -> Vec<Verdict> {
        let mut cold = Vec::new();
        let mut verdicts = Vec::with_capacity(questions.len());
        for (place, (presented, ask)) in questions.iter().enumerate() {
            if place > 0 && place.is_multiple_of(QUESTIONS_A_TURN) {
                tokio::task::yield_now().await;
            }
            verdicts.push(self.try_verify(presented, ask).unwrap_or_else(|unread| {
                cold.push((place, unread));
                Verdict::refused(Code::EnforcementUnavailable)
            }));
        }
        if !cold.is_empty() {
            let short = self.verify_all_cold(&cold, questions, &mut verdicts).await;
            self.verify_all_short(short, questions, &mut verdicts).await;
        }
        verdicts
    }

    /// Asks for what these need of limits that nodes share, for all at a time, and then decides about one after the other.
    async fn verify_all_short(
        &self,
        short: Vec<ShortOne>,
        questions: &[(&str, Ask<'_>)],
        verdicts: &mut [Verdict],
    ) {
        let ask = |(place, key, _): &ShortOne| self.limiter.refill(&key.demands(), questions[*place].1.cost);
        let refills: Vec<_> = short.iter().map(ask).collect();
        for refill in refills {
            refill.await;
        }
        for (place, key, latency) in short {
            verdicts[place] = self.judge_waiting(key, &questions[place].1, latency).await;
        }
    }

    async fn verify_all_cold(
        &self,
        cold: &[(usize, Cold)],
        questions: &[(&str, Ask<'_>)],
        verdicts: &mut [Verdict],
    ) -> Vec<ShortOne> {
        let mut short = Vec::new();
        let digests: Vec<_> = cold.iter().map(|(_, cold)| cold.digest).collect();
        let began = self.clock.elapsed();
        // Judged at once: facts that wait for those of others grow old.
        let judge = |read: usize, landing| {
            let place = cold[read].0;
            match self.judge_read(self.landed(landing, began), &questions[place].1) {
                Ok(verdict) => verdicts[place] = verdict,
                Err((key, latency)) => short.push((place, key, latency)),
            }
        };
        self.fills.find_all(&digests, judge).await;
        short
    }
}
