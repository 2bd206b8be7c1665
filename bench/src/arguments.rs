//! What is asked for on the command line.

use anyhow::{Context, Result};

use crate::measure::Part;
use crate::plan::Plan;

/// How much of which parts is measured.
pub(crate) struct Arguments {
    pub(crate) plan: Plan,
    pub(crate) parts: Vec<Part>,
}

impl Arguments {
    /// Of `[--quick | --huge] [--revocations N] [PART]…`; without parts all are meant.
    pub(crate) fn read(given: &[String]) -> Result<Self> {
        let mut given = given.iter().map(String::as_str).peekable();
        let mut plan = match given.peek() {
            Some(&"--quick") => Plan::QUICK,
            Some(&"--huge") => Plan::HUGE,
            _ => Plan::FULL,
        };
        given.next_if(|flag| matches!(*flag, "--quick" | "--huge"));
        if given.next_if_eq(&"--revocations").is_some() {
            let count = given.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
            plan.revocations_by_nodes = count.with_context(|| usage("--revocations needs a number"))?;
        }
        let named = given.map(part).collect::<Result<Vec<_>>>()?;
        let parts = if named.is_empty() { Part::ALL.to_vec() } else { named };
        Ok(Self { plan, parts })
    }
}

fn part(name: &str) -> Result<Part> {
    let found = Part::ALL.into_iter().find(|part| part.name() == name);
    found.with_context(|| usage(&format!("`{name}` is no part")))
}

fn usage(wrong: &str) -> String {
    let known = Part::ALL.map(Part::name).join(", ");
    format!("{wrong}; usage: cargo xtask bench [--quick | --huge] [--revocations N] [PART]…, of {known}")
}
