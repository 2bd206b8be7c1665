//! Measuring some of what happens, where measuring all would cost too much.

use std::cell::Cell;

/// Counts what happens of one kind on one thread. What happens by turns is measured in its parts only if each kind has
/// turns of its own.
#[derive(Debug, Default)]
pub struct Turns(Cell<u32>);

impl Turns {
    /// Nothing has happened yet.
    pub const fn new() -> Self {
        Self(Cell::new(0))
    }

    /// Whether it is the turn of this one: of the first, and of each `n`th after it.
    pub fn is_one_in(&self, n: u32) -> bool {
        let now = self.0.get();
        self.0.set(now.wrapping_add(1));
        now.is_multiple_of(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_is_measured_and_the_first_of_them() {
        let turns = Turns::new();
        let measured: Vec<_> = (0..9).map(|_| turns.is_one_in(4)).collect();
        assert_eq!(measured, [true, false, false, false, true, false, false, false, true]);
    }
}
