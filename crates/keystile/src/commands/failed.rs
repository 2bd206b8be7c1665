//! Failed calls, in words for whoever typed the command.

use std::error::Error;

use keystile_client::ClientError;

use crate::failure::Failure;

/// The caller is not known, whatever was asked.
const UNAUTHORIZED: u16 = 401;

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = match advice(&error) {
            Some(advice) => format!("{error}\n  {advice}"),
            None => error.to_string(),
        };
        match first_cause(&error) {
            Some(cause) => Self::new(format!("{message}\n  because {cause}")),
            None => Self::new(message),
        }
    }
}

/// What began it: the layers between say nothing to a person.
fn first_cause(error: &ClientError) -> Option<&(dyn Error + 'static)> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause)
}

/// What to do on the command line, where the server cannot know it.
fn advice(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Unreachable { .. } => {
            Some("Another address? --url or KEYSTILE_URL. No server yet? `keystile dev` starts one.")
        }
        ClientError::Problem(problem) => match problem.code.as_str() {
            "wrong_credentials" => Some(
                "Check KEYSTILE_EMAIL and KEYSTILE_PASSWORD, or the credentials file; and the tenant, if you name one.",
            ),
            "key_malformed" | "key_not_found" | "key_revoked" | "key_expired" | "key_inactive"
                if problem.status == UNAUTHORIZED =>
            {
                Some("This is about KEYSTILE_TOKEN, which says who asks.")
            }
            "session_ended" => {
                Some("Sign in again: `keystile login`, or put a new token into KEYSTILE_TOKEN.")
            }
            "second_factor_required" => Some("`keystile login` asks for the code of your authenticator."),
            "token_expired" | "token_invalid" => Some(
                "Put a new token into KEYSTILE_TOKEN, or set KEYSTILE_EMAIL and KEYSTILE_PASSWORD instead.",
            ),
            _ => None,
        },
        ClientError::Unsendable(_) | ClientError::Interrupted { .. } | ClientError::Unexpected { .. } => None,
    }
}
