//! A line that tells how far something has come that takes long.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use crate::commands::{Form, tell};

/// Pause between two tellings: short for a person who waits.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells of it on a terminal, and nowhere else.
pub(crate) struct Progress {
    what: &'static str,
    shows: bool,
    told: Option<Instant>,
}

impl Progress {
    /// `what` stands behind the number.
    pub(crate) fn new(what: &'static str, form: Form) -> Self {
        Self { what, shows: form == Form::Text && io::stderr().is_terminal(), told: None }
    }

    /// So much is done.
    pub(crate) fn tell(&mut self, done: u64) {
        if self.shows && self.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            tell(&format!("\r{done} {}", self.what));
            self.told = Some(Instant::now());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.told.is_some() {
            tell("\n");
        }
    }
}
