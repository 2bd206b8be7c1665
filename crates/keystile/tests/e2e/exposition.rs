//! A strict reader of the text format of Prometheus, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::{BTreeMap, BTreeSet};

/// What one page says.
pub(crate) struct Page {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Page {
    /// Reads a page, and fails at the first thing that has no place in one.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut page = Self { kinds: BTreeMap::new(), samples: BTreeMap::new() };
        let mut helped = String::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(is_name(name) && help.ends_with('.'), "{line}");
                name.clone_into(&mut helped);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, helped, "HELP stands before TYPE");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(kind != "histogram" || name.ends_with("_seconds"), "{line}");
                assert!(name.starts_with("keystile_") || name.starts_with("process_"), "{line}");
                let before = page.kinds.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none(), "a name stands once: {line}");
                name.clone_into(&mut family);
            } else {
                page.sample(&family, line);
            }
        }
        page.check_histograms();
        page
    }

    /// The value of a sample, named as it stands there; 0 for one that does not.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or_default()
    }

    /// The sum of all samples that begin so.
    pub(crate) fn sum(&self, beginning: &str) -> f64 {
        self.samples.iter().filter(|(sample, _)| sample.starts_with(beginning)).map(|(_, value)| value).sum()
    }

    /// The names that have a type.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.replace("Inf", "inf").parse().unwrap();
        let name = sample.split('{').next().unwrap();
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} stands below {family}"));
        let is_histogram = self.kinds[family] == "histogram";
        let suffixes: &[&str] = if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix) && value >= 0.0, "{line}");
        check_labels(&sample[name.len()..]);
        assert!(self.samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }

    /// The last bucket holds all that are counted, and each holds what narrower ones do.
    fn check_histograms(&self) {
        for (name, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let counts = format!("{name}_count");
            for (sample, count) in self.samples.iter().filter(|(sample, _)| sample.starts_with(&counts)) {
                let labels = sample[counts.len()..].trim_start_matches('{').trim_end_matches('}');
                let comma = if labels.is_empty() { "" } else { "," };
                let prefix = format!("{name}_bucket{{{labels}{comma}le=\"");
                let mut buckets: Vec<(f64, f64)> = Vec::new();
                for (bucket, held) in
                    self.samples.range(prefix.clone()..).take_while(|(s, _)| s.starts_with(&prefix))
                {
                    let bound = bucket[prefix.len()..].trim_end_matches("\"}").replace("Inf", "inf");
                    buckets.push((bound.parse().unwrap(), *held));
                }
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.is_sorted_by_key(|(_, held)| *held), "{sample}: {buckets:?}");
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{sample}");
                assert!(self.samples.contains_key(&sample.replace("_count", "_sum")), "{sample}");
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// `{name="value",…}`, or nothing.
fn check_labels(text: &str) {
    if text.is_empty() {
        return;
    }
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
    let mut rest = inner;
    let mut seen = BTreeSet::new();
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(is_name(name) && seen.insert(name), "{text}");
        let end = after.find('"').unwrap();
        assert!(!after[..end].contains('\\'), "no value of ours needs an escape: {text}");
        match after[end + 1..].strip_prefix(',') {
            Some(next) => rest = next,
            None => return assert_eq!(&after[end + 1..], "", "{text}"),
        }
    }
}
