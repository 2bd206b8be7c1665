//! What a scanning partner signs, such as GitHub's secret scanning: ECDSA on P-256 with SHA-256, over the bytes of a request.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The public keys of a partner, as an operator has pinned them.
pub struct PartnerKeys(Vec<PartnerKey>);

struct PartnerKey {
    identifier: String,
    key: ParsedPublicKey,
}

/// A text does not have the keys of a partner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPartnerKeys {
    /// It has another form.
    #[error(
        "must be JSON as GitHub gives it: {{\"public_keys\": [{{\"key_identifier\", \"key\", \"is_current\"}}]}} (line {0})"
    )]
    Form(usize),
    /// One of them is no key.
    #[error("the key {0} must be a P-256 public key in PEM, or in base64")]
    Key(String),
    /// None of them is current.
    #[error("has no key that is current")]
    None,
}

impl PartnerKeys {
    /// Reads keys in the form in which GitHub publishes its own. Those that are not current are left out, as nothing that
    /// they sign is to be believed any more.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NoPartnerKeys> {
        let Published { public_keys } =
            serde_json::from_str(text).map_err(|error| NoPartnerKeys::Form(error.line()))?;
        let current = public_keys.into_iter().filter(|key| key.is_current);
        let keys = current.map(PartnerKey::parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(NoPartnerKeys::None) } else { Ok(Self(keys)) }
    }

    /// Whether the key of this name has signed these bytes. The signature is in base64 of its ASN.1 form, whose length varies.
    pub fn have_signed(&self, identifier: &str, signature: &str, bytes: &[u8]) -> bool {
        let Some(own) = self.0.iter().find(|own| own.identifier == identifier) else { return false };
        let signature = STANDARD.decode(signature.trim());
        signature.is_ok_and(|signature| own.key.verify_sig(bytes, &signature).is_ok())
    }
}

impl std::fmt::Debug for PartnerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|own| &own.identifier)).finish()
    }
}

impl PartnerKey {
    fn parse(published: PublishedKey) -> Result<Self, NoPartnerKeys> {
        let PublishedKey { key_identifier: identifier, key, .. } = published;
        let lines = key.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        let parsed = STANDARD
            .decode(lines.collect::<String>())
            .ok()
            .and_then(|der| ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).ok());
        match parsed {
            Some(key) => Ok(Self { identifier, key }),
            None => Err(NoPartnerKeys::Key(identifier)),
        }
    }
}

#[derive(Deserialize)]
struct Published {
    public_keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    key_identifier: String,
    key: String,
    #[serde(default = "yes")]
    is_current: bool,
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// GitHub's own examples: the second has a signature with an integer of 31 bytes.
    struct Signed {
        identifier: &'static str,
        key: &'static str,
        body: &'static str,
        signature: &'static str,
    }

    const FIRST: Signed = Signed {
        identifier: "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a",
        key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUqkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==",
        body: r#"[{"token":"some_token","type":"some_type","url":"some_url"}]"#,
        signature: "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc=",
    };
    const SECOND: Signed = Signed {
        identifier: "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
        key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAdAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==",
        body: r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#,
        signature: "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
    };

    impl Signed {
        fn is_believed(&self, keys: &PartnerKeys) -> bool {
            keys.have_signed(self.identifier, self.signature, self.body.as_bytes())
        }
    }

    fn published(first_is_current: bool, second: &str) -> String {
        json!({ "public_keys": [
            { "key_identifier": FIRST.identifier, "key": FIRST.key, "is_current": first_is_current },
            { "key_identifier": SECOND.identifier, "key": second },
        ] })
        .to_string()
    }

    fn keys(first_is_current: bool) -> PartnerKeys {
        PartnerKeys::parse(&published(first_is_current, SECOND.key)).unwrap()
    }

    #[test]
    fn what_a_current_key_has_signed_is_believed() {
        assert!(FIRST.is_believed(&keys(true)) && SECOND.is_believed(&keys(true)));
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", SECOND.key);
        assert!(SECOND.is_believed(&PartnerKeys::parse(&published(true, &pem)).unwrap()));
    }

    #[test]
    fn a_retired_key_is_not_believed_and_others_still_are() {
        assert!(!FIRST.is_believed(&keys(false)) && SECOND.is_believed(&keys(false)));
    }

    #[test]
    fn another_body_key_or_signature_is_not_believed() {
        for broken in [
            Signed { body: r#"[{"token":"some_token","type":"some_type","url":"some_url"}] "#, ..FIRST },
            Signed { identifier: SECOND.identifier, ..FIRST },
            Signed { identifier: "", ..FIRST },
            Signed { signature: SECOND.signature, ..FIRST },
            Signed { signature: "", ..FIRST },
            Signed { signature: "MEUCIQ!", ..FIRST },
            Signed { signature: &FIRST.signature[..92], ..FIRST },
        ] {
            assert!(!broken.is_believed(&keys(true)), "{} {}", broken.body, broken.signature);
        }
    }

    #[test]
    fn a_text_without_keys_is_refused_by_what_is_wrong() {
        let parse = |text: &str| PartnerKeys::parse(text).unwrap_err();
        assert_eq!(parse("\n[]"), NoPartnerKeys::Form(2));
        assert_eq!(parse(r#"{"public_keys": []}"#), NoPartnerKeys::None);
        for key in ["", "no key", "AAAA"] {
            let wrong = NoPartnerKeys::Key(SECOND.identifier.to_owned());
            assert_eq!(parse(&published(true, key)), wrong, "{key}");
        }
    }
}
