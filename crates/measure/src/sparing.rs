//! Log lines that could become a flood.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lines in one second: enough to see what happens and to find examples, too few to fill a disk or to cost anything.
const LINES: u64 = 10;

/// Lets ten lines through each second, of all that share it.
#[derive(Debug)]
pub struct Sparing {
    began: Instant,
    /// The second in the upper half, lines in the lower.
    lines: AtomicU64,
}

impl Default for Sparing {
    fn default() -> Self {
        Self { began: Instant::now(), lines: AtomicU64::new(0) }
    }
}

impl Sparing {
    /// Whether one more line may be written now.
    pub fn allows(&self) -> bool {
        self.allows_in(self.began.elapsed().as_secs())
    }

    fn allows_in(&self, second: u64) -> bool {
        let next = |lines: u64| match lines >> 32 == second {
            true if lines & u64::from(u32::MAX) >= LINES => None,
            true => Some(lines + 1),
            false => Some(second << 32 | 1),
        };
        self.lines.try_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_a_few_lines_each_second() {
        let sparing = Sparing::default();
        let allowed = |second| (0..1000).filter(|_| sparing.allows_in(second)).count();
        assert_eq!([allowed(0), allowed(1), allowed(7)], [10, 10, 10]);
    }
}
