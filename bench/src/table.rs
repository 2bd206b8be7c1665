//! Rows of figures, and the one table they are printed as.

use std::fmt;

use crate::wrk::Run;

/// One row; what does not apply stays empty.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) per_second: Option<f64>,
    /// Requests/s over those of the bare server.
    pub(crate) ratio: Option<f64>,
    /// The same as processor time of the bare server over that of this one: less at the mercy of neighbours.
    pub(crate) ratio_by_cpu: Option<f64>,
    pub(crate) user: Option<f64>,
    pub(crate) system: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) peak: Option<f64>,
    pub(crate) note: String,
}

impl Row {
    /// The medians of some runs.
    pub(crate) fn of(name: impl Into<String>, runs: &[Run]) -> Self {
        let of = |figure: fn(&Run) -> f64| Some(median(runs.iter().map(figure)));
        let busy = median(runs.iter().map(|run| run.busy));
        Self {
            name: name.into(),
            per_second: of(|run| run.per_second),
            user: of(|run| run.user),
            system: of(|run| run.system),
            p50: of(|run| run.p50),
            p99: of(|run| run.p99),
            note: format!("core {:.0} % busy", busy * 100.0),
            ..Self::default()
        }
    }

    /// A row that has nothing but latencies, in microseconds.
    pub(crate) fn of_latencies(name: impl Into<String>, mut micros: Vec<f64>) -> Self {
        micros.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| micros.get((micros.len() as f64 * share) as usize).copied();
        Self { name: name.into(), p50: at(0.5), p99: at(0.99), ..Self::default() }
    }
}

/// The middle of an odd count of figures, the upper of the two middle ones of an even count.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

const HEAD: &str = "| | requests/s | of bare hyper | by CPU | user µs | sys µs | p50 | p99 | peak MiB | |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---|";

/// A table in Markdown, printed row by row, so that what was measured is there whatever fails later.
pub(crate) struct Table(());

impl Table {
    pub(crate) fn begin() -> Self {
        println!("{HEAD}");
        Self(())
    }

    pub(crate) fn add(&mut self, rows: &[Row]) {
        rows.iter().for_each(|row| println!("{row}"));
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = [
            self.per_second.map(|count| format!("{count:.0}")),
            self.ratio.map(|ratio| format!("{ratio:.2}")),
            self.ratio_by_cpu.map(|ratio| format!("{ratio:.2}")),
            self.user.map(|micros| format!("{micros:.1}")),
            self.system.map(|micros| format!("{micros:.1}")),
            self.p50.map(in_words),
            self.p99.map(in_words),
            self.peak.map(|mib| format!("{mib:.0}")),
        ];
        let cells = cells.map(Option::unwrap_or_default).join(" | ");
        write!(f, "| {} | {cells} | {} |", self.name, self.note)
    }
}

/// Microseconds in the unit that suits them.
fn in_words(micros: f64) -> String {
    match micros {
        small if small < 1000.0 => format!("{small:.0} µs"),
        middle if middle < 1e6 => format!("{:.1} ms", middle / 1000.0),
        large => format!("{:.1} s", large / 1e6),
    }
}
