//! What the request log is told of a passage.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use keystile_bearer::RequestId;
use keystile_core::{Code, LogFace};
use keystile_engine::Texts;
use keystile_verify::{CachedKey, Verdict};

use super::Question;
use crate::problem::ApiProblem;
use crate::request_log::{micros, path_of, unanswered, user_agent};
use crate::state::App;

/// A request that is decided about. It is logged with the decision, or when it is dropped before, as the gateway does not wait for
/// one any more.
pub(super) struct Passage<'a, 'q> {
    /// The key, if there is one, of a request that may not pass.
    pub(super) known: Option<Arc<CachedKey>>,
    app: &'a App,
    face: LogFace,
    began: Instant,
    request_id: &'a RequestId,
    question: &'a Question<'q>,
    is_decided: bool,
}

impl<'a, 'q> Passage<'a, 'q> {
    pub(super) fn begin(
        app: &'a App,
        (face, began): (LogFace, Instant),
        request_id: &'a RequestId,
        question: &'a Question<'q>,
    ) -> Self {
        Self { known: None, app, face, began, request_id, question, is_decided: false }
    }

    /// Logs what was decided.
    pub(super) fn decided(mut self, decided: &Result<Verdict, ApiProblem>) {
        self.is_decided = true;
        match decided {
            Ok(verdict) => self.log(verdict.key.as_deref(), (Code::Allowed.as_str(), Some(200))),
            Err(problem) => {
                let came_to = (problem.code(), Some(problem.status().as_u16()));
                self.log(self.known.as_deref(), came_to);
            }
        }
    }

    fn log(&self, key: Option<&CachedKey>, (code, status): (&'static str, Option<u16>)) {
        let Question { place, original, headers, client } = self.question;
        let code = Cow::Borrowed(code);
        let row = match key {
            Some(key) => self.app.requests.begin_of_key(self.face, key, code),
            None => {
                let mut row = self.app.requests.begin_unknown(self.face, code);
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
        row.status = status;
        row.duration_micros = micros(self.began);
        let (path, user_agent) = (target.and_then(path_of), user_agent(headers));
        let request_id = Some(self.request_id.as_str().as_bytes());
        self.app.requests.add(row, Texts { path, user_agent, request_id });
    }
}

/// The gateway did not wait.
impl Drop for Passage<'_, '_> {
    fn drop(&mut self) {
        if !self.is_decided {
            self.log(self.known.as_deref(), unanswered());
        }
    }
}
