//! What was told to be used, was not, and is to be given back.

/// What is not told to be given back within so long is taken to leak out meanwhile, as the authority has it do.
const LATE_MILLIS: u64 = 500;

/// See the module. Times are milliseconds of [`keystile_core::Clock::unslept_millis`].
#[derive(Debug, Default)]
pub(super) struct Back {
    cells: u64,
    /// Since when all of it is to be given back, or the rest of it leaks.
    since: u64,
}

impl Back {
    pub(super) const fn cells(&self) -> u64 {
        self.cells
    }

    pub(super) const fn add(&mut self, cells: u64, now: u64) {
        if self.cells == 0 {
            self.since = now;
        }
        self.cells = self.cells.saturating_add(cells);
    }

    /// For how many milliseconds it has leaked, if it should have been told by now.
    pub(super) fn late(&self, now: u64) -> Option<u64> {
        let late = now.saturating_sub(self.since);
        (self.cells > 0 && late >= LATE_MILLIS).then_some(late)
    }

    /// So much of it was given back, or has leaked out until now.
    pub(super) const fn lessen(&mut self, cells: u64, now: u64) {
        (self.cells, self.since) = (self.cells.saturating_sub(cells), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_late_has_leaked_out_meanwhile() {
        let mut back = Back::default();
        back.add(6, 1_100);
        back.add(2, 1_300);
        assert_eq!((back.cells(), back.late(1_599), back.late(1_600)), (8, None, Some(500)));
        back.lessen(3, 1_600);
        assert_eq!((back.cells(), back.late(2_099), back.late(2_100)), (5, None, Some(500)));
        back.lessen(9, 2_100);
        assert_eq!((back.cells(), back.late(9_000)), (0, None));
    }
}
