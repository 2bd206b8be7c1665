//! Why a call gave nothing, and what to do about it.

use std::fmt;

use keystile_wire::Problem;

/// A call gave nothing. No variant holds a credential, a secret or any part of a body.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The call cannot be put into a request; nothing was sent. The caller must mend what is named.
    #[error("{0}")]
    Unsendable(String),
    /// Nobody answers at the address; nothing was sent.
    #[error("no connection to {url}: check the address, and that the server is running")]
    Unreachable {
        /// The base URL that was called.
        url: String,
        /// Why the connection failed.
        source: reqwest::Error,
    },
    /// The request was sent, but the answer did not come, or broke off. Whether it was carried out is not known.
    #[error("{url} did not answer in full: look whether the change was made before you try again")]
    Interrupted {
        /// The base URL that was called.
        url: String,
        /// How the answer broke off.
        source: reqwest::Error,
    },
    /// The server refused, and says why.
    #[error("{}", Refusal(.0))]
    Problem(Box<Problem>),
    /// An answer that is not in the form of the API.
    #[error("unexpected answer (HTTP {status}): {what}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it and what to check.
        what: &'static str,
    },
}

/// A problem on one line, for people. What the server wrote cannot steer a terminal.
struct Refusal<'a>(&'a Problem);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { detail, code, status, request_id, .. } = self.0;
        let line = format!("{detail} ({code}, HTTP {status}, request {request_id})");
        f.write_str(&line.replace(char::is_control, " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_on_one_line_that_cannot_steer_a_terminal() {
        let problem = Problem {
            kind: "urn:keystile:problem:not_found".into(),
            title: "Not found".into(),
            status: 404,
            code: "not_found".into(),
            detail: "there is no such\u{1b}[31m\nAPI key".into(),
            request_id: "req_1".into(),
            errors: Vec::new(),
            current_version: None,
            limited_by: None,
            error: None,
            error_description: None,
        };
        assert_eq!(
            ClientError::Problem(Box::new(problem)).to_string(),
            "there is no such [31m API key (not_found, HTTP 404, request req_1)"
        );
    }
}
