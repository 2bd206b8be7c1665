//! Where the server is.

use crate::ClientError;

/// The base URL of a server, without a slash at its end. It may have a path, when a gateway puts the API below one.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    text: String,
    is_loopback: bool,
}

impl Address {
    /// Reads `http://…` or `https://…`. A user, a query or a fragment is refused: credentials do not belong into
    /// addresses, which are logged and shown.
    pub(crate) fn parse(text: &str) -> Result<Self, ClientError> {
        let rule = "the address of the server must be an http or https URL such as `https://keys.example.com`, \
            without user, password, query and fragment";
        let refused = || ClientError::Unsendable(rule.to_owned());
        let url = reqwest::Url::parse(text.trim()).map_err(|_| refused())?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain || !matches!(url.scheme(), "http" | "https") {
            return Err(refused());
        }
        let host = url.host_str().ok_or_else(refused)?;
        Ok(Self { is_loopback: is_loopback(host), text: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// The base URL.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Whether what is sent can be read on the way.
    pub(crate) fn is_readable_on_the_way(&self) -> bool {
        !self.is_loopback && self.text.starts_with("http:")
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_without_a_slash_at_its_end() {
        for (text, kept) in [
            ("http://127.0.0.1:7878/", "http://127.0.0.1:7878"),
            (" https://Keys.Example.com/keystile/ ", "https://keys.example.com/keystile"),
        ] {
            assert_eq!(Address::parse(text).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn an_address_holds_no_credential_and_no_other_scheme() {
        for bad in [
            "http://ada:sesame@127.0.0.1",
            "http://ada@127.0.0.1",
            "https://h/?token=sesame",
            "https://h/#sesame",
            "ftp://h",
            "127.0.0.1:7878",
            "",
        ] {
            let refused = Address::parse(bad).unwrap_err().to_string();
            assert!(refused.contains("must be") && !refused.contains("sesame"), "{bad}: {refused}");
        }
    }

    #[test]
    fn only_plain_text_to_another_machine_is_readable_on_the_way() {
        for (text, readable) in [
            ("http://127.0.0.1:7878", false),
            ("http://[::1]:7878", false),
            ("http://localhost", false),
            ("https://keys.example.com", false),
            ("http://keys.example.com", true),
            ("http://10.0.0.7", true),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_readable_on_the_way(), readable, "{text}");
        }
    }
}
