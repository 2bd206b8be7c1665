//! What nodes take of the servers that they depend on.

use std::fmt;
use std::ops::{AddAssign, Sub};

use crate::cpu::Cpu;

/// Of all nodes together: at a moment, or in between two.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside {
    pub(super) postgres: Cpu,
    pub(super) redis: Cpu,
    /// Round trips to Redis.
    pub(super) round_trips: f64,
    /// Of these, those that were not answered in time.
    pub(super) failed: f64,
}

/// The same for each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerRequest {
    postgres_micros: f64,
    redis_micros: f64,
    round_trips: f64,
    /// Over all requests.
    failed: f64,
}

impl Beside {
    /// For each of so many requests.
    pub(super) fn per(self, requests: f64) -> PerRequest {
        PerRequest {
            postgres_micros: self.postgres.total() / requests * 1e6,
            redis_micros: self.redis.total() / requests * 1e6,
            round_trips: self.round_trips / requests,
            failed: self.failed,
        }
    }
}

impl Sub for Beside {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            postgres: self.postgres - before.postgres,
            redis: self.redis - before.redis,
            round_trips: self.round_trips - before.round_trips,
            failed: self.failed - before.failed,
        }
    }
}

impl AddAssign for Beside {
    fn add_assign(&mut self, further: Self) {
        self.postgres = self.postgres + further.postgres;
        self.redis = self.redis + further.redis;
        self.round_trips += further.round_trips;
        self.failed += further.failed;
    }
}

impl fmt::Display for PerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { postgres_micros, redis_micros, round_trips, failed } = self;
        write!(
            f,
            "{round_trips:.5} round trips to Redis per request, {failed} in vain; PostgreSQL {postgres_micros:.1} µs, Redis {redis_micros:.1} µs"
        )
    }
}
