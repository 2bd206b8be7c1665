//! What speaks for and against a key: every check, and nothing used up.

use std::sync::Arc;

use keystile_core::key::Presented;
use keystile_core::quota::Need;
use keystile_core::{Ask, Check, Checked, Code, Digest, Finding, Refusal, explain};

use crate::cached_key::CachedKey;
use crate::flight::Landing;
use crate::limiter::Left;
use crate::source::SourceUnavailable;
use crate::verifier::{Verdict, Verifier};

/// A verdict with all checks that it rests on.
#[derive(Debug)]
pub struct Explanation {
    /// What [`Verifier::verify`] would say. Tells what is left of limits with a refusal, too.
    pub verdict: Verdict,
    /// What came of each check, in the order of decisions; up to the first that fails if there is no key to look at
    /// further.
    pub checks: Vec<Checked>,
}

impl Verifier {
    /// The key with this text, read if it is not in memory, whatever speaks against it. Counts nothing and notes no use.
    /// Takes as long as [`Self::verify`] at most.
    ///
    /// # Errors
    /// When it cannot be read now.
    pub async fn key_of(&self, presented: &str) -> Result<Option<Arc<CachedKey>>, SourceUnavailable> {
        if Presented::parse(presented).is_err() {
            return Ok(None);
        }
        self.key_held(Digest::of(presented.as_bytes())).await
    }

    /// The key whose text has this digest, as [`Self::key_of`] finds it.
    ///
    /// # Errors
    /// When it cannot be read now.
    pub async fn key_held(&self, digest: Digest) -> Result<Option<Arc<CachedKey>>, SourceUnavailable> {
        match self.fills.find(&digest).await {
            Landing::Found(key) => Ok(Some(key)),
            Landing::Absent => Ok(None),
            Landing::Overtaken | Landing::Unavailable => Err(SourceUnavailable),
        }
    }

    /// Makes every check that [`Self::verify`] would make, in the same order, and those after the first that fails. Counts
    /// nothing and notes no use.
    pub async fn explain(&self, presented: &str, ask: &Ask<'_>) -> Explanation {
        self.explain_with(presented, ask, None).await
    }

    /// The same for a request that is estimated to need so much, which has to fit the limit on tokens and the budget, too.
    pub async fn explain_with(&self, presented: &str, ask: &Ask<'_>, estimate: Option<&Need>) -> Explanation {
        if Presented::parse(presented).is_err() {
            return Explanation::without_a_key(Vec::new(), Check::Form, Code::KeyMalformed);
        }
        let formed = vec![Checked { check: Check::Form, finding: Finding::Passed }];
        match self.key_of(presented).await {
            Ok(Some(key)) => self.explain_known(formed, key, ask, estimate).await,
            Ok(None) => Explanation::without_a_key(formed, Check::Known, Code::KeyNotFound),
            Err(SourceUnavailable) => {
                Explanation::without_a_key(formed, Check::Known, Code::EnforcementUnavailable)
            }
        }
    }

    async fn explain_known(
        &self,
        mut checks: Vec<Checked>,
        key: Arc<CachedKey>,
        ask: &Ask<'_>,
        estimate: Option<&Need>,
    ) -> Explanation {
        checks.extend(explain(&key.facts(), ask, self.clock.now()));
        if checks.last().is_some_and(|last| last.check == Check::Known) {
            return Explanation { verdict: Verdict::refused(Code::KeyNotFound), checks };
        }
        let (left, limits) = self.check_limits(&key, ask.cost);
        checks.push(limits);
        checks.extend(self.check_estimate(&key, estimate).await);
        let outcome = checks.iter().find_map(Checked::refusal).cloned().map_or(Ok(()), Err);
        Explanation { verdict: Verdict { key: Some(key), outcome, left }, checks }
    }

    async fn check_estimate(&self, key: &Arc<CachedKey>, estimate: Option<&Need>) -> [Checked; 2] {
        let [tokens, money] = match estimate {
            Some(need) => self.would_fit(key, need).await,
            None => [Ok(()), Ok(())],
        };
        let found = |check, is_asked: bool, outcome: Result<(), Refusal>| {
            let finding = match outcome {
                Err(refusal) => Finding::Failed(refusal),
                Ok(()) if is_asked && estimate.is_some() => Finding::Passed,
                Ok(()) => Finding::NotAsked,
            };
            Checked { check, finding }
        };
        [
            found(Check::Tokens, key.tokens().is_some(), tokens),
            found(Check::Budget, key.budget().is_some(), money),
        ]
    }

    fn check_limits(&self, key: &CachedKey, cost: u32) -> (Left, Checked) {
        let demands = key.demands();
        let (left, fits) = self.limiter.look(&demands, cost);
        let finding = match fits {
            Err(exceeded) => Finding::Failed(Refusal::RateLimited(Box::new(exceeded))),
            Ok(()) if demands.is_empty() => Finding::NotAsked,
            Ok(()) => Finding::Passed,
        };
        (left, Checked { check: Check::Limits, finding })
    }
}

impl Explanation {
    fn without_a_key(mut checks: Vec<Checked>, check: Check, code: Code) -> Self {
        checks.push(Checked { check, finding: Finding::Failed(Refusal::Plain(code)) });
        Self { verdict: Verdict::refused(code), checks }
    }
}
