//! Who calls.

use http::HeaderValue;
use keystile_core::Secret;

use crate::ClientError;

/// What a client shows with every call. It does not print.
#[derive(Debug)]
pub enum Credential {
    /// The access token of a person who signed in; sent as `Authorization: Bearer …`.
    Token(Secret),
    /// An API key; sent as `Authorization: ApiKey …`.
    Key(Secret),
}

impl Credential {
    /// A text that is either: a token has the form of a JWT, which no API key of ours has.
    pub fn of(text: Secret) -> Self {
        let is_token =
            text.expose().starts_with("eyJ") && text.expose().bytes().filter(|b| *b == b'.').count() == 2;
        if is_token { Self::Token(text) } else { Self::Key(text) }
    }

    /// The header line, marked so that nothing prints or compresses it.
    pub(crate) fn to_header(&self) -> Result<HeaderValue, ClientError> {
        let (scheme, secret) = match self {
            Self::Token(secret) => ("Bearer", secret),
            Self::Key(secret) => ("ApiKey", secret),
        };
        let text = secret.expose();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let rule =
                "the token or API key to sign in with must have only visible ASCII characters and no spaces";
            return Err(ClientError::Unsendable(rule.to_owned()));
        }
        let mut value = HeaderValue::try_from(format!("{scheme} {text}"))
            .map_err(|_| ClientError::Unsendable("the credential does not fit into a header".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_keys_are_told_apart_and_sent_as_what_they_are() {
        let header = |text: &str| Credential::of(Secret::new(text)).to_header().unwrap();
        assert_eq!(header("eyJh.eyJz.c2ln").to_str().unwrap(), "Bearer eyJh.eyJz.c2ln");
        assert_eq!(header("sk_ks_live_x").to_str().unwrap(), "ApiKey sk_ks_live_x");
    }

    #[test]
    fn a_credential_prints_nothing() {
        let credential = Credential::of(Secret::new("open-sesame"));
        assert!(!format!("{credential:?} {:?}", credential.to_header()).contains("sesame"));
        let refused = Credential::of(Secret::new("open sesame\n")).to_header().unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("sesame"));
    }
}
