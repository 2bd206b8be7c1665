//! What the request log is told of a passage.

use std::borrow::Cow;
use std::time::Instant;

use keystile_bearer::RequestId;
use keystile_core::{Code, LogFace, LoggedRequest};
use keystile_verify::{CachedKey, Verdict};

use super::Question;
use crate::problem::ApiProblem;
use crate::request_log::{micros, path_of, user_agent};
use crate::state::App;

/// A request that is decided about.
pub(super) struct Passage<'a> {
    pub(super) face: LogFace,
    pub(super) request_id: &'a RequestId,
    pub(super) began: Instant,
}

impl Passage<'_> {
    /// Logs what was decided; of a no about a key that is `known`.
    pub(super) fn log(
        &self,
        app: &App,
        question: &Question<'_>,
        decided: &Result<Verdict, ApiProblem>,
        known: Option<&CachedKey>,
    ) {
        let (key, code, status) = match decided {
            Ok(verdict) => (verdict.key.as_deref(), Code::Allowed.as_str(), 200),
            Err(problem) => (known, problem.code(), problem.status().as_u16()),
        };
        let Question { place, original, headers, client } = question;
        let row = match key {
            Some(key) => app.requests.begin_of_key(self.face, key, Cow::Borrowed(code)),
            None => Some(LoggedRequest {
                application_id: Some(place.application_id),
                environment: place.environment,
                ..app.requests.begin_unknown(self.face, Cow::Borrowed(code))
            }),
        };
        let Some(row) = row else { return };
        // What is behind the gateway of another application is not for the tenant of the key to see.
        let is_own = key.is_none_or(|key| key.application_id() == place.application_id);
        let (method, target) = if is_own { original.told() } else { (None, None) };
        app.requests.add(LoggedRequest {
            method,
            path: target.and_then(path_of),
            ip: client.0,
            user_agent: user_agent(headers),
            status: Some(status),
            duration_micros: micros(self.began),
            request_id: Some(self.request_id.as_str().to_owned()),
            ..row
        });
    }
}
