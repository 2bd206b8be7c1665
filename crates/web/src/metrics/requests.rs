//! Requests by route, method and class of status.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use keystile_measure::{Family, Histogram};
use parking_lot::RwLock;

use super::VERBS;

/// Classes of status, from 1xx to 5xx.
pub(super) const CLASSES: usize = CLASS_NAMES.len();
/// Their names.
pub(super) const CLASS_NAMES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// From a read to the hashing of a password in a long queue.
const BOUNDS: [Duration; 10] = [
    millis(1),
    millis(2),
    millis(5),
    millis(10),
    millis(25),
    millis(50),
    millis(100),
    millis(250),
    millis(1_000),
    millis(5_000),
];

/// A method that has a name of its own; whatever else clients send shares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other.
    Other,
}

impl Verb {
    pub(super) const ALL: [Self; 8] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options, Self::Other];

    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            // The name that OpenTelemetry gives to methods that are not known.
            Self::Other => "_OTHER",
        }
    }
}

/// The place of a status among the classes.
pub(super) fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1
}

/// The routes that were asked for; there are no more of them than in the router's table.
#[derive(Default)]
pub(crate) struct Routes(RwLock<BTreeMap<String, Arc<Route>>>);

/// One route, by method.
type Route = [OnceLock<Requests>; VERBS];

struct Requests {
    classes: [AtomicU64; CLASSES],
    durations: Histogram,
}

impl Routes {
    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, verb: Verb, status: StatusCode, took: Duration) {
        let requests = self.route(route);
        let requests = requests[verb as usize].get_or_init(Requests::new);
        requests.classes[class(status)].fetch_add(1, Ordering::Relaxed);
        requests.durations.record(took);
    }

    pub(super) fn write_counts(&self, family: &mut Family<'_>) {
        self.each(|route, method, requests| {
            for (class, count) in CLASS_NAMES.iter().zip(&requests.classes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    family.count(&[("route", route), ("method", method), ("status", class)], count);
                }
            }
        });
    }

    pub(super) fn write_durations(&self, family: &mut Family<'_>) {
        self.each(|route, method, requests| {
            family.durations(&[("route", route), ("method", method)], &requests.durations);
        });
    }

    fn each(&self, mut visit: impl FnMut(&str, &str, &Requests)) {
        for (name, route) in &*self.0.read() {
            for (verb, requests) in Verb::ALL.iter().zip(route.iter()) {
                if let Some(requests) = requests.get() {
                    visit(name, verb.name(), requests);
                }
            }
        }
    }

    fn route(&self, name: &str) -> Arc<Route> {
        let known = self.0.read().get(name).cloned();
        known.unwrap_or_else(|| Arc::clone(self.0.write().entry(name.to_owned()).or_default()))
    }
}

impl Requests {
    fn new() -> Self {
        Self { classes: Default::default(), durations: Histogram::new(&BOUNDS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_class_and_every_method_a_name() {
        for (status, name) in
            [(100, "1xx"), (204, "2xx"), (304, "3xx"), (499, "4xx"), (503, "5xx"), (999, "5xx")]
        {
            assert_eq!(CLASS_NAMES[class(StatusCode::from_u16(status).unwrap())], name);
        }
        for (method, name) in [("GET", "GET"), ("DELETE", "DELETE"), ("BREW", "_OTHER"), ("TRACE", "_OTHER")]
        {
            assert_eq!(Verb::of(&method.parse().unwrap()).name(), name);
        }
    }
}
