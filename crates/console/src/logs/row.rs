//! A request of the log as lists show it, be they made here or in the browser.

use keystile_core::{Actor, KeyId, LogMethod, LogResult, LoggedRequest, TenantId, Timestamp};
use keystile_manage::Names;
use serde::Serialize;

use crate::keys::meaning;
use crate::shell::Shell;
use crate::{parts, words};

/// A request as a row. What is empty is not shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) at: Timestamp,
    /// Where its own page is.
    pub(super) page: String,
    pub(super) result: &'static str,
    pub(super) tone: &'static str,
    pub(super) why: String,
    pub(super) method: &'static str,
    /// As [`shortened`].
    pub(super) path: String,
    pub(super) whole_path: String,
    pub(super) face: &'static str,
    /// The key that was decided about, or else whoever called.
    pub(super) whose: String,
    /// Where other requests with that key are.
    pub(super) whose_page: String,
    /// The service that asked about the key.
    pub(super) asked_by: String,
    pub(super) environment: &'static str,
    pub(super) environment_tone: &'static str,
    pub(super) ip: String,
    /// Where other requests from there are.
    pub(super) ip_page: String,
    pub(super) took: String,
}

impl Row {
    pub(super) fn new(shell: &Shell, request: &LoggedRequest, names: &Names) -> Self {
        let (result, tone) = outcome(request);
        let environment = request.environment.map(parts::environment);
        let with_key = |id: KeyId| shell.path(&format!("logs?key_id={id}"));
        let (whose, whose_page) = match (request.key_id, request.caller) {
            (Some(key), _) | (None, Some(Actor::Key(key))) => (called(Actor::Key(key), names), with_key(key)),
            (None, Some(other)) => (called(other, names), String::new()),
            (None, None) => ("not known".to_owned(), String::new()),
        };
        let asked_by = request.key_id.and(request.caller).map(|caller| called(caller, names));
        let ip = request.ip.map(|ip| ip.to_string());
        Self {
            id: request.id.to_string(),
            at: request.at(),
            page: shell.path(&format!("logs/{}", request.id)),
            result,
            tone,
            why: why(request),
            method: request.method.map(method).unwrap_or_default(),
            path: request.path.as_deref().map(|path| shortened(path, request.tenant_id)).unwrap_or_default(),
            whole_path: request.path.clone().unwrap_or_default(),
            face: words::face(request.face).name,
            whose,
            whose_page,
            asked_by: asked_by.map(|name| format!("asked by {name}")).unwrap_or_default(),
            environment: environment.as_ref().map(|badge| badge.word).unwrap_or_default(),
            environment_tone: environment.as_ref().map(|badge| badge.tone).unwrap_or_default(),
            ip_page: ip.as_deref().map(|ip| shell.path(&format!("logs?ip={ip}"))).unwrap_or_default(),
            ip: ip.unwrap_or_default(),
            took: request.duration_micros.map(took).unwrap_or_default(),
        }
    }

    /// A row in which nothing stands, for scripts to fill.
    pub(super) const fn empty() -> Self {
        Self {
            id: String::new(),
            at: Timestamp::from_millis(0),
            page: String::new(),
            result: "",
            tone: "",
            why: String::new(),
            method: "",
            path: String::new(),
            whole_path: String::new(),
            face: "",
            whose: String::new(),
            whose_page: String::new(),
            asked_by: String::new(),
            environment: "",
            environment_tone: "",
            ip: String::new(),
            ip_page: String::new(),
            took: String::new(),
        }
    }
}

/// A path as lists show it: what is below the tenant whose log it is in, as each of its calls begins with that.
fn shortened(path: &str, tenant_id: TenantId) -> String {
    let below = |beginning: String| {
        path.strip_prefix(&beginning).filter(|below| below.is_empty() || below.starts_with('/'))
    };
    match (below(format!("/api/v1/tenants/{tenant_id}")), below(format!("/console/{tenant_id}"))) {
        (Some(""), _) => "/api/v1/tenants/…".to_owned(),
        (Some(below), _) => format!("…{below}"),
        (None, Some(below)) => format!("/console/…{below}"),
        (None, None) => path.to_owned(),
    }
}

/// What came of a request, for people and for the eye. What went wrong on our side was not refused.
pub(super) fn outcome(request: &LoggedRequest) -> (&'static str, &'static str) {
    match LogResult::of(&request.code) {
        LogResult::Allowed => ("Allowed", "dot good"),
        LogResult::Refused if request.status.is_some_and(|status| status >= 500) => ("Failed", "dot warn"),
        LogResult::Refused => ("Refused", "dot bad"),
    }
}

/// Why it was refused, in words where there are some.
pub(super) fn why(request: &LoggedRequest) -> String {
    match (LogResult::of(&request.code), meaning(&request.code)) {
        (LogResult::Allowed, _) => String::new(),
        (LogResult::Refused, "") => request.code.clone().into_owned(),
        (LogResult::Refused, meaning) => meaning.to_owned(),
    }
}

/// What people call whoever acts.
pub(super) fn called(actor: Actor, names: &Names) -> String {
    let id = actor.to_string();
    match actor {
        Actor::System => "Keystile".to_owned(),
        Actor::Person(_) | Actor::Key(_) => names.of(&id).unwrap_or(&id).to_owned(),
    }
}

/// A method; one of the client's own has no name.
pub(super) fn method(method: LogMethod) -> &'static str {
    if method == LogMethod::Other { "other" } else { method.as_str() }
}

/// A time that was measured, in a unit that fits.
pub(super) fn took(micros: u32) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{LogFace, LogId};

    use super::*;

    fn request(code: &'static str, status: u16) -> LoggedRequest {
        let (id, tenant_id) = (LogId::from_u128(1), TenantId::from_u128(1));
        LoggedRequest {
            status: Some(status),
            ..LoggedRequest::new(id, tenant_id, LogFace::Verify, code.into())
        }
    }

    #[test]
    fn what_came_of_a_request_is_told_in_words() {
        let told = |code, status| (outcome(&request(code, status)).0, why(&request(code, status)));
        assert_eq!(told("allowed", 200), ("Allowed", String::new()));
        assert_eq!(told("key_revoked", 200), ("Refused", "the key is revoked".to_owned()));
        assert_eq!(told("invalid_request", 400), ("Refused", "invalid_request".to_owned()));
        assert_eq!(told("internal", 500).0, "Failed");
    }

    #[test]
    fn paths_are_shown_from_their_own_tenant_on() {
        let (own, other) = (TenantId::from_u128(1), TenantId::from_u128(2));
        for (path, shown) in [
            (format!("/api/v1/tenants/{own}/api-keys"), "…/api-keys".to_owned()),
            (format!("/api/v1/tenants/{own}"), "/api/v1/tenants/…".to_owned()),
            (format!("/console/{own}/logs/live"), "/console/…/logs/live".to_owned()),
            (format!("/console/{own}"), "/console/…".to_owned()),
            (format!("/api/v1/tenants/{other}/api-keys"), format!("/api/v1/tenants/{other}/api-keys")),
            (format!("/api/v1/tenants/{own}x/api-keys"), format!("/api/v1/tenants/{own}x/api-keys")),
            ("/orders/7".to_owned(), "/orders/7".to_owned()),
        ] {
            assert_eq!(shortened(&path, own), shown);
        }
    }

    #[test]
    fn times_are_told_in_a_unit_that_fits() {
        let told = [0, 999, 1_000, 12_345, 999_999, 1_000_000, 61_500_000].map(took);
        assert_eq!(told, ["0 µs", "999 µs", "1.0 ms", "12.3 ms", "999.9 ms", "1.0 s", "61.5 s"]);
    }
}
