//! Processor time of processes, as the kernel counts it.

use std::fs;
use std::ops::{Add, Sub};

use anyhow::{Context, Result};

/// `/proc` counts processor time in this unit on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    /// What a process has taken so far.
    pub(crate) fn of(process: u32) -> Result<Self> {
        let [user, system, ..] = ticks(process)?;
        Ok(Self::from_ticks(user, system))
    }

    /// What a process and its children have taken so far, those that have ended included.
    pub(crate) fn of_family(process: u32) -> Result<Self> {
        let [user, system, user_of_ended, system_of_ended] = ticks(process)?;
        let own = Self::from_ticks(user + user_of_ended, system + system_of_ended);
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
        // One that has ended since the line was read took next to nothing.
        let living = children.split_whitespace().filter_map(|child| Self::of(child.parse().ok()?).ok());
        Ok(living.fold(own, Self::add))
    }

    /// Both together.
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }

    fn from_ticks(user: f64, system: f64) -> Self {
        Self { user: user / TICKS_PER_SECOND, system: system / TICKS_PER_SECOND }
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { user: self.user - other.user, system: self.system - other.system }
    }
}

/// Fields 14 to 17 of proc(5) `stat`: user and system time of the process, and of its children that have ended.
fn ticks(process: u32) -> Result<[f64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no `stat` of the process")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse);
    let ticks = ticks.collect::<Result<Vec<f64>, _>>().context("no number in `stat`")?;
    ticks.try_into().map_err(|_| anyhow::anyhow!("a short `stat`"))
}
