//! What the browser noted: errors on the console, and every request.

use std::fmt;

use serde_json::{Map, Value};

use super::Browser;

/// What the console was told about as an error: by a script, by the policy of contents, or by the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// By whom: `javascript`, `network`, `security`, `console-api`, ….
    pub source: String,
    /// What.
    pub message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.message)
    }
}

/// What was noted so far. chromedriver gives each note once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    complaints: Vec<Complaint>,
    requests: Vec<String>,
    /// Of the answer that the page came with.
    policy: Option<String>,
}

impl Browser {
    /// Errors on the console since they were last taken. Those that are taken do not fail the test.
    pub fn take_complaints(&self) -> Vec<Complaint> {
        self.read_logs();
        std::mem::take(&mut self.notes.borrow_mut().complaints)
    }

    /// Forgets errors that the test has brought about: those whose text contains `part`, such as `status of 422`.
    ///
    /// # Panics
    /// When there are none.
    pub fn expect_complaint(&self, part: &str) {
        self.read_logs();
        let mut notes = self.notes.borrow_mut();
        let before = notes.complaints.len();
        notes.complaints.retain(|complaint| !complaint.message.contains(part));
        assert!(notes.complaints.len() < before, "no complaint about {part}: {:?}", notes.complaints);
    }

    /// The address of everything that was asked for since the browser started.
    pub fn requests(&self) -> Vec<String> {
        self.read_logs();
        self.notes.borrow().requests.clone()
    }

    /// The policy of contents that the page was answered with.
    pub fn policy(&self) -> Option<String> {
        self.read_logs();
        self.notes.borrow().policy.clone()
    }

    /// What was asked of anybody but the server.
    pub fn foreign_requests(&self) -> Vec<String> {
        let mut requests = self.requests();
        requests.retain(|url| !self.is_own(url));
        requests
    }

    /// Goes on when the console was told no errors, beside those that were taken. The end of the browser does the same.
    ///
    /// # Panics
    /// When it was.
    pub fn expect_no_complaints(&self) {
        let complaints: Vec<_> = self.take_complaints().iter().map(Complaint::to_string).collect();
        assert!(complaints.is_empty(), "errors on the console:\n{}", complaints.join("\n"));
    }

    /// Goes on when nothing was asked of anybody but the server. The end of the browser does the same.
    ///
    /// # Panics
    /// When something was.
    pub fn expect_no_foreign_requests(&self) {
        let foreign = self.foreign_requests();
        assert!(foreign.is_empty(), "requests leave {}:\n{}", self.origin, foreign.join("\n"));
    }

    /// Forgets requests that the test has brought about.
    pub fn forgive_foreign_requests(&self) {
        self.read_logs();
        self.notes.borrow_mut().requests.retain(|url| self.is_own(url));
    }

    /// What is part of the page or of the browser leaves nothing.
    fn is_own(&self, url: &str) -> bool {
        let rest = url.strip_prefix(&self.origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
            || ["data:", "blob:", "about:", "chrome:", "chrome-untrusted:"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
    }

    fn read_logs(&self) {
        let log = |kind: &str| {
            let entries = self.command("se/log", &serde_json::json!({ "type": kind }));
            entries.as_array().cloned().unwrap_or_default()
        };
        let complaints = log("browser").into_iter().filter_map(|entry| complaint(&entry));
        let mut notes = self.notes.borrow_mut();
        notes.complaints.extend(complaints);
        for (event, of) in log("performance").iter().filter_map(event) {
            notes.requests.extend(request(&event, &of));
            let url = of["response"]["url"].as_str().unwrap_or_default();
            // The page with which the browser itself begins may come late.
            if let Some(headers) = headers_of_a_page(&event, &of).filter(|_| url.starts_with(&self.origin)) {
                notes.policy = header(headers, "content-security-policy");
            }
        }
    }
}

fn complaint(entry: &Value) -> Option<Complaint> {
    let text = |member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    (text("level") == "SEVERE").then(|| Complaint { source: text("source"), message: text("message") })
}

/// An event of Chromium's protocol, and what it says.
fn event(entry: &Value) -> Option<(String, Value)> {
    let mut message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let message = &mut message["message"];
    Some((message["method"].as_str()?.to_owned(), message["params"].take()))
}

/// Whatever is asked for.
fn request(event: &str, of: &Value) -> Option<String> {
    let url = match event {
        "Network.requestWillBeSent" => &of["request"]["url"],
        "Network.webSocketCreated" | "Network.webTransportCreated" => &of["url"],
        _ => return None,
    };
    url.as_str().map(str::to_owned)
}

fn headers_of_a_page<'v>(event: &str, of: &'v Value) -> Option<&'v Map<String, Value>> {
    let is_page = event == "Network.responseReceived" && of["type"] == "Document";
    of["response"]["headers"].as_object().filter(|_| is_page)
}

fn header(headers: &Map<String, Value>, name: &str) -> Option<String> {
    let found = headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str()).map(str::to_owned)
}
