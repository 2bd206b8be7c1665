//! Measuring some of what happens, where measuring all would cost too much.

use std::cell::Cell;

thread_local! {
    static TURN: Cell<u32> = const { Cell::new(0) };
}

/// Whether it is the turn of this one: of the first, and of each `n`th after it, on each thread.
pub fn is_one_in(n: u32) -> bool {
    TURN.with(|turn| {
        let now = turn.get();
        turn.set(now.wrapping_add(1));
        now.is_multiple_of(n)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_in_so_many_is_measured_and_the_first_of_them() {
        let turns: Vec<_> = (0..9).map(|_| super::is_one_in(4)).collect();
        assert_eq!(turns, [true, false, false, false, true, false, false, false, true]);
    }
}
