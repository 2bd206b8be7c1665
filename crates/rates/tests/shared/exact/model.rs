//! What a limit means, by the book.

use super::world::Limit;

/// The most that may be admitted in so many milliseconds.
pub(crate) fn most(limit: &Limit, millis: u64) -> u64 {
    limit.burst + limit.limit * millis / (limit.window_seconds * 1_000)
}

/// Looks at every span of time from one admission to another.
pub(crate) fn assert_within(limit: &Limit, admitted: &[(u64, u64)]) {
    let mut admitted = admitted.to_vec();
    admitted.sort_unstable();
    for (first, (start, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for (end, cost) in &admitted[first..] {
            sum += cost;
            let most = most(limit, end - start);
            assert!(
                sum <= most,
                "{sum} were admitted from {start} to {end} ms, and {most} may be: {limit:?}"
            );
        }
    }
}
