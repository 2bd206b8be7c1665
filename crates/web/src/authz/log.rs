//! What the request log is told of a passage.

use std::borrow::Cow;
use std::time::Instant;

use keystile_bearer::RequestId;
use keystile_core::{Code, LogFace};
use keystile_engine::Texts;
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
        let code = Cow::Borrowed(code);
        let row = match key {
            Some(key) => app.requests.begin_of_key(self.face, key, code),
            None => {
                let mut row = app.requests.begin_unknown(self.face, code);
                row.application_id = Some(place.application_id);
                row.environment = place.environment;
                Some(row)
            }
        };
        let Some(mut row) = row else { return };
        // What is behind the gateway of another application is not for the tenant of the key to see.
        let is_own = key.is_none_or(|key| key.application_id() == place.application_id);
        let (method, target) = if is_own { original.told() } else { (None, None) };
        row.method = method;
        row.ip = client.0;
        row.status = Some(status);
        row.duration_micros = micros(self.began);
        let (path, user_agent) = (target.and_then(path_of), user_agent(headers));
        let request_id = Some(self.request_id.as_str().as_bytes());
        app.requests.add(row, Texts { path, user_agent, request_id });
    }
}
