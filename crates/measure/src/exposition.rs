//! The text format of Prometheus, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{self, Write as _};

use crate::Histogram;

/// The media type of what [`Exposition`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label's name and its value.
type Label<'a> = (&'static str, &'a str);

/// A page that Prometheus reads.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// The samples of one name. A name is written once on a page, with all of its samples.
#[derive(Debug)]
pub struct Family<'p> {
    page: &'p mut String,
    name: &'static str,
}

impl Exposition {
    /// What only grows while the process lives. By convention the name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// What goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Durations. By convention the name ends in `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    /// The whole page.
    pub fn into_text(self) -> String {
        self.0
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        let page = &mut self.0;
        written(write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { page, name }
    }
}

impl Family<'_> {
    /// Adds a sample that is a number of things.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus reads every number as a double")]
    pub fn count(&mut self, labels: &[Label<'_>], count: u64) -> &mut Self {
        self.value(labels, count as f64)
    }

    /// Adds a sample that is a number of things in memory.
    pub fn size(&mut self, labels: &[Label<'_>], size: usize) -> &mut Self {
        self.count(labels, size as u64)
    }

    /// Adds a sample.
    pub fn value(&mut self, labels: &[Label<'_>], value: f64) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// Adds the samples of a histogram.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus reads every number as a double")]
    pub fn durations(&mut self, labels: &[Label<'_>], histogram: &Histogram) -> &mut Self {
        let mut total = 0;
        for (bound, count) in histogram.buckets() {
            self.line("_bucket", labels, Some(bound), count as f64);
            total = count;
        }
        self.line("_sum", labels, None, histogram.seconds());
        self.line("_count", labels, None, total as f64);
        self
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], bound: Option<f64>, value: f64) {
        let Self { page, name } = self;
        written(write!(page, "{name}{suffix}"));
        let mut before = '{';
        for (label, text) in labels {
            written(write!(page, "{before}{label}=\"{}\"", Escaped(text)));
            before = ',';
        }
        if let Some(bound) = bound {
            written(write!(page, "{before}le=\"{}\"", Number(bound)));
            before = ',';
        }
        if before == ',' {
            page.push('}');
        }
        written(writeln!(page, " {}", Number(value)));
    }
}

/// A text takes all that is written to it.
fn written(_always: fmt::Result) {}

/// A label's value.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '\\' => f.write_str(r"\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str(r"\n"),
            other => f.write_char(other),
        })
    }
}

struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" });
        }
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_has_the_form_that_prometheus_reads() {
        const BOUNDS: [Duration; 1] = [Duration::from_millis(5)];
        let durations = Histogram::new(&BOUNDS);
        durations.record(Duration::from_millis(1));
        durations.record(Duration::from_millis(500));
        let mut page = Exposition::default();
        page.counter("a_total", "What\\is\ncounted.").count(&[], 3).count(&[("b", "x\"y\\z\n")], 4);
        page.gauge("b", "It.").value(&[], 0.5).size(&[("c", "d"), ("e", "f")], 7);
        page.histogram("c_seconds", "Time.").durations(&[("g", "h")], &durations);
        let expected = r#"# HELP a_total What\\is\ncounted.
# TYPE a_total counter
a_total 3
a_total{b="x\"y\\z\n"} 4
# HELP b It.
# TYPE b gauge
b 0.5
b{c="d",e="f"} 7
# HELP c_seconds Time.
# TYPE c_seconds histogram
c_seconds_bucket{g="h",le="0.005"} 1
c_seconds_bucket{g="h",le="+Inf"} 2
c_seconds_sum{g="h"} 0.501
c_seconds_count{g="h"} 2
"#;
        assert_eq!(page.into_text(), expected);
    }
}
