//! The answer to a verification, written straight into its text. What serde would do for [`VerifyAnswer`], without
//! looking at each character of ids, words and scopes for something to escape: their rules in the core leave
//! nothing. That was a twelfth of the instructions of a verification, and the machinery of formatting another seventh.
//!
//! [`VerifyAnswer`]: keystile_wire::VerifyAnswer

use std::convert::Infallible;

use axum::body::Body;
use futures_util::stream;
use keystile_core::{Append, Grant, Refusal};
use keystile_verify::{CachedKey, LimitLeft, Verdict};
use keystile_wire::{BrokenQuestion, CheckView, LimitState};
use serde::Serialize;

use super::estimate::Quotas;

/// Room for an answer about a key with a few limits and scopes and little metadata, so that it is not grown while written.
const USUAL_LENGTH: usize = 768;
/// Length from which on a piece is sent before more is written; the last answer in it may reach beyond.
const PIECE: usize = 64 * 1024;

/// The JSON object that says what was decided, and about which key.
pub(super) fn written(verdict: &Verdict, quotas: &Quotas) -> String {
    let mut answer = Answer(String::with_capacity(USUAL_LENGTH));
    answer.write(verdict, quotas, &[]);
    answer.0
}

/// The same, with every check that was made.
pub(super) fn explained(verdict: &Verdict, quotas: &Quotas, checks: &[CheckView]) -> String {
    let mut answer = Answer(String::with_capacity(2 * USUAL_LENGTH));
    answer.write(verdict, quotas, checks);
    answer.0
}

/// The answers to many questions, some of which break rules: `{"answers": […]}`, in pieces that are written when they are wanted. With
/// its metadata one answer can have more than 16 KiB, so that a client that asks for many and takes none could else fill the memory.
pub(super) struct AllWritten {
    answers: std::vec::IntoIter<Result<Verdict, BrokenQuestion>>,
    is_begun: bool,
    is_over: bool,
}

impl AllWritten {
    pub(super) fn of(answers: Vec<Result<Verdict, BrokenQuestion>>) -> Self {
        Self { answers: answers.into_iter(), is_begun: false, is_over: false }
    }

    /// A body of one piece, whose length is told, or a streamed one.
    pub(super) fn into_body(mut self) -> Body {
        let first = self.next().unwrap_or_default();
        if self.is_over {
            return Body::from(first);
        }
        let pieces = std::iter::once(first).chain(self).map(Ok::<_, Infallible>);
        Body::from_stream(stream::iter(pieces))
    }
}

impl Iterator for AllWritten {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        let usual_length = USUAL_LENGTH * (self.answers.len() + 1);
        let mut piece = Answer(String::with_capacity(usual_length.min(PIECE + USUAL_LENGTH)));
        if !self.is_begun {
            piece.0.push_str(r#"{"answers":["#);
        }
        while piece.0.len() < PIECE {
            let Some(answer) = self.answers.next() else {
                piece.0.push_str("]}");
                self.is_over = true;
                break;
            };
            if self.is_begun {
                piece.0.push(',');
            }
            self.is_begun = true;
            match answer {
                Ok(verdict) => piece.write(&verdict, &Quotas::default(), &[]),
                Err(broken) => piece.json(&broken),
            }
        }
        Some(piece.0)
    }
}

struct Answer(String);

impl Answer {
    fn write(&mut self, verdict: &Verdict, quotas: &Quotas, checks: &[CheckView]) {
        self.0.push_str(if verdict.is_allowed() { r#"{"valid":true"# } else { r#"{"valid":false"# });
        self.plain(r#","code":"#, verdict.code().as_str());
        if let Err(Refusal::PermissionDenied { missing }) = &verdict.outcome {
            self.plain(r#","missing_permission":"#, missing.as_str());
        }
        if let Err(Refusal::RateLimited(exceeded)) = &verdict.outcome {
            self.0.push_str(r#","limited_by":"#);
            self.json(&LimitState::refusing(exceeded));
        }
        if let Err(Refusal::TokensLimited(exceeded)) = &verdict.outcome {
            self.0.push_str(r#","limited_by":"#);
            self.json(&LimitState::of_tokens(exceeded));
        }
        self.write_limits(verdict);
        if let Some(key) = verdict.key.as_deref() {
            self.write_key(key);
        }
        self.write_quotas(quotas);
        if !checks.is_empty() {
            self.0.push_str(r#","checks":"#);
            self.json(checks);
        }
        self.0.push('}');
    }

    fn write_limits(&mut self, verdict: &Verdict) {
        let mut begin = r#","limits":[{"owner":"#;
        for LimitLeft { owner, rate, count } in verdict.limits() {
            self.plain(begin, owner.as_str());
            self.0.push_str(r#","name":"#);
            self.text(rate.name());
            self.number(r#","limit":"#, rate.limit());
            self.number(r#","window_seconds":"#, rate.window_seconds());
            self.number(r#","remaining":"#, count.remaining);
            self.number(r#","reset_seconds":"#, count.reset_millis.div_ceil(1_000));
            begin = r#"},{"owner":"#;
        }
        if begin.starts_with('}') {
            self.0.push_str("}]");
        }
    }

    fn write_quotas(&mut self, quotas: &Quotas) {
        if let Some((id, deadline_at)) = quotas.hold {
            self.plain(r#","hold_id":"#, id);
            self.plain(r#","hold_deadline_at":"#, deadline_at.to_string().as_str());
        }
        if let Some(tokens) = &quotas.tokens {
            self.0.push_str(r#","tokens":"#);
            self.json(tokens);
        }
        if let Some(budget) = &quotas.budget {
            self.0.push_str(r#","budget":"#);
            self.json(budget);
        }
    }

    fn write_key(&mut self, key: &CachedKey) {
        self.plain(r#","key_id":"#, key.id());
        self.plain(r#","tenant_id":"#, key.tenant_id());
        self.plain(r#","application_id":"#, key.application_id());
        if let Some(customer_id) = key.customer_id() {
            self.plain(r#","customer_id":"#, customer_id);
        }
        self.plain(r#","environment":"#, key.environment().as_str());
        self.plain(r#","kind":"#, key.kind());
        if let Some(source_id) = key.source_id() {
            self.0.push_str(r#","source_id":"#);
            self.text(source_id);
        }
        self.plain(r#","trust_level":"#, key.trust_level().as_str());
        self.0.push_str(r#","scopes":"#);
        self.list(key.scopes().iter().map(Grant::as_str));
        self.0.push_str(r#","metadata":"#);
        self.0.push_str(key.metadata());
        if let Some(at) = key.expires_at() {
            self.plain(r#","expires_at":"#, at.to_string().as_str());
        }
    }

    /// What is written seldom, and can always be.
    fn json(&mut self, value: &(impl Serialize + ?Sized)) {
        self.0.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
    }

    /// Any text. Most have nothing to escape.
    fn text(&mut self, text: &str) {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            self.plain("", text);
        } else {
            self.0.push_str(&serde_json::Value::from(text).to_string());
        }
    }

    /// A name as it stands before its value, and a text that by its rules has nothing to escape.
    fn plain(&mut self, name: &str, value: impl Append) {
        self.0.push_str(name);
        self.0.push('"');
        value.append_to(&mut self.0);
        self.0.push('"');
    }

    fn number(&mut self, name: &str, value: u64) {
        self.0.push_str(name);
        value.append_to(&mut self.0);
    }

    /// Texts that by their rules have nothing to escape.
    fn list<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        self.0.push('[');
        let mut before = "\"";
        for value in values {
            self.0.push_str(before);
            self.0.push_str(value);
            self.0.push('"');
            before = ",\"";
        }
        self.0.push(']');
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;
    use keystile_core::Code;

    use super::*;

    fn broken(detail: &str) -> Result<Verdict, BrokenQuestion> {
        let (code, detail) = ("invalid_request".to_owned(), detail.to_owned());
        Err(BrokenQuestion { valid: false, code, detail, errors: Vec::new() })
    }

    #[test]
    fn many_answers_are_written_in_pieces_of_bounded_length() {
        let long = "x".repeat(16 * 1024);
        let answers: Vec<_> = (0..100).map(|_| broken(&long)).collect();
        let pieces: Vec<_> = AllWritten::of(answers).collect();
        assert!(pieces.iter().all(|piece| piece.len() < PIECE + 17 * 1024));
        let whole: serde_json::Value = serde_json::from_str(&pieces.concat()).unwrap();
        let answers = whole["answers"].as_array().unwrap();
        assert!(answers.len() == 100 && answers.iter().all(|answer| answer["detail"] == long));
    }

    #[test]
    fn few_answers_are_one_piece_whose_length_is_told() {
        let told = |answers| AllWritten::of(answers).collect::<String>();
        assert_eq!(told(Vec::new()), r#"{"answers":[]}"#);
        let refused = || Ok(Verdict::refused(Code::KeyNotFound));
        let both =
            r#"{"answers":[{"valid":false,"code":"key_not_found"},{"valid":false,"code":"key_not_found"}]}"#;
        assert_eq!(told(vec![refused(), refused()]), both);
        let body = AllWritten::of(vec![refused(), refused()]).into_body();
        assert_eq!(body.size_hint().exact(), Some(both.len() as u64));
    }
}
