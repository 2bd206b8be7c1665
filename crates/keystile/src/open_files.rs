//! How many files and connections the system lets this process have open (`ulimit -n`).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files beside connections: standard streams, the database of a few threads, the runtime's own, with some to spare.
const OWN_FILES: u64 = 64;

/// Raises the limit as far as this process may, and gives what it is then; nothing means no limit. Shells and services
/// often start with 1024, below which they keep programs that use `select`; we do not.
pub(crate) fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    }
}

/// The most connections that can be open when `wanted` are: fewer where the limit has no room for them beside
/// `other_connections` and our own files. To accept without having room would fail again and again.
pub(crate) fn connections(wanted: usize, limit: Option<u64>, other_connections: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let others = OWN_FILES.saturating_add(other_connections as u64);
    let room = usize::try_from(limit.saturating_sub(others)).unwrap_or(usize::MAX).max(1);
    if room < wanted {
        tracing::warn!(
            "no more than {limit} files may be open, so {room} connections are served at a time instead of {wanted}: raise \
             `ulimit -Hn` (LimitNOFILE= of systemd) to {}, or lower KEYSTILE_MAX_CONNECTIONS",
            others.saturating_add(wanted as u64)
        );
    }
    room.min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        for (wanted, limit, database, expected) in [
            (10_000, None, 16, 10_000),
            (10_000, Some(1_048_576), 16, 10_000),
            (10_000, Some(10_080), 16, 10_000),
            (10_000, Some(10_079), 16, 9_999),
            (10_000, Some(1_024), 0, 960),
            (100, Some(1_024), 0, 100),
            (100, Some(10), 16, 1),
        ] {
            assert_eq!(connections(wanted, limit, database), expected, "{wanted} {limit:?} {database}");
        }
    }
}
