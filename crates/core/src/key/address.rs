//! From where a key was used lately.

use std::net::IpAddr;
use std::time::Duration;

use crate::Timestamp;

/// An address from which a key was used, as far as whoever asked about the key told it.
///
/// Kept are addresses of requests that were allowed. Nearly all are noticed, though not each for certain: in each half minute the first
/// is, a second but for one in 32,768, a fifth but for one in 80, and with some twenty about every other; what was missed has another chance in the next half
/// minute. Times are exact to a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyAddress {
    /// The address; never IPv4 mapped into IPv6.
    pub ip: IpAddr,
    /// When it was seen first, since it is kept.
    pub first_seen_at: Timestamp,
    /// When it was seen last.
    pub last_seen_at: Timestamp,
}

impl KeyAddress {
    /// Most addresses that are kept of a key: enough to recognise what uses it, and few enough that a flood of addresses fills nothing.
    /// Those that were not seen for the longest time give way.
    pub const MAX: usize = 32;
    /// How many days an address is kept after it was seen last: as long as the longest time in which an old key and its successor
    /// both work. Addresses can be those of people, so they are not kept for longer.
    pub const DAYS: u64 = 30;
    /// The same as a time.
    pub const KEPT: Duration = Duration::from_secs(Self::DAYS * 24 * 60 * 60);
}
