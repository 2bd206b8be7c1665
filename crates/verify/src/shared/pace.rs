//! How fast a holding is used, by which more is reserved ahead.

/// So long it is measured at the least.
const MEASURED_MILLIS: u64 = 25;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since: u64,
    used: u64,
    /// Lately, in thousandths of a request a millisecond.
    rate: u64,
}

impl Pace {
    /// So much was used.
    pub(super) const fn note(&mut self, cost: u64) {
        self.used = self.used.saturating_add(cost);
    }

    /// What is used in so many milliseconds.
    pub(super) const fn within(&self, millis: u64) -> u64 {
        self.rate.saturating_mul(millis) / 1_000
    }

    /// Half of what was is remembered, so that a short pause does not have everything asked for anew.
    pub(super) fn turn(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.since);
        if elapsed < MEASURED_MILLIS {
            return;
        }
        let rate = self.used.saturating_mul(1_000) / elapsed;
        self.rate = rate.max(self.rate / 2);
        (self.since, self.used) = (now, 0);
    }
}
