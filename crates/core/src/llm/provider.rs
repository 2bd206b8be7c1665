//! Who provides models, and what opens their API.

use super::{BaseUrl, Protocol};
use crate::key::write;
use crate::text::check_word;
use crate::{Environment, Invalid, Name, ProviderId, Secret, TenantId, Timestamp};

/// Most providers of a tenant: far more than are in use anywhere, and few enough for one list.
pub const MOST_PROVIDERS: u64 = 100;
/// Longest credential, in characters.
pub const CREDENTIAL_MAX: usize = 512;
/// Shortest credential whose end is shown: of a shorter one too much would be known.
const HINTED_FROM: usize = 16;
/// How much of the end is shown.
const HINT: usize = 4;

/// Somebody who provides models: where, in which protocol, and for whose keys. What opens the API is kept apart, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Which one.
    pub id: ProviderId,
    /// Whose.
    pub tenant_id: TenantId,
    /// What people call it; unique in its tenant.
    pub name: Name,
    /// What it speaks; never changes.
    pub protocol: Protocol,
    /// Where its API is.
    pub base_url: BaseUrl,
    /// Keys of which environment it serves; none: of all.
    pub environment: Option<Environment>,
    /// Whether anything is sent to it.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Counts the writes, from 1.
    pub version: i64,
}

impl Provider {
    /// Refuses what cannot be: a base URL that already has what the protocol adds.
    ///
    /// # Errors
    /// Names the rule that was broken.
    pub fn check(&self) -> Result<(), Invalid> {
        match self.protocol {
            Protocol::Anthropic if self.base_url.path().ends_with("/v1") => Err(Invalid::new(
                "base_url",
                "must end before `/v1`, which is added: `https://api.anthropic.com`",
            )),
            Protocol::Anthropic | Protocol::OpenAi => Ok(()),
        }
    }

    /// Whether it serves keys of this environment now.
    pub fn serves(&self, environment: Environment) -> bool {
        self.enabled && self.environment.is_none_or(|own| own == environment)
    }
}

/// A checked request for a new provider.
#[derive(Debug)]
pub struct ProviderDraft {
    /// What people call it.
    pub name: Name,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where its API is.
    pub base_url: BaseUrl,
    /// What opens it, as [`check_credential`] lets it pass.
    pub credential: Secret,
    /// Keys of which environment it serves; none: of all.
    pub environment: Option<Environment>,
    /// Whether anything is sent to it.
    pub enabled: bool,
}

/// What to write of a provider; `None` leaves it as it is, `Some(None)` clears it.
#[derive(Debug, Default)]
pub struct ProviderPatch {
    /// What people call it.
    pub name: Option<Name>,
    /// Where its API is.
    pub base_url: Option<BaseUrl>,
    /// What opens it.
    pub credential: Option<Secret>,
    /// Keys of which environment it serves.
    pub environment: Option<Option<Environment>>,
    /// Whether anything is sent to it.
    pub enabled: Option<bool>,
}

impl ProviderPatch {
    /// Writes all but the credential into `provider`, which was sealed for where it was meant to go: to another host, or to the same
    /// without encryption, it never goes by itself.
    ///
    /// # Errors
    /// When the credential is needed again and was not given, and for what [`Provider::check`] refuses. The provider may then be half
    /// written and must be thrown away.
    pub fn apply(self, provider: &mut Provider) -> Result<(), Invalid> {
        let Self { name, base_url, credential, environment, enabled } = self;
        if let Some(base_url) = base_url {
            if credential.is_none() && leads_elsewhere(&provider.base_url, &base_url) {
                return Err(Invalid::new(
                    "credential",
                    "must be given again when `base_url` leads to another host, or to the same without encryption",
                ));
            }
            provider.base_url = base_url;
        }
        write(&mut provider.name, name);
        write(&mut provider.environment, environment);
        write(&mut provider.enabled, enabled);
        provider.check()
    }
}

fn leads_elsewhere(before: &BaseUrl, after: &BaseUrl) -> bool {
    before.host() != after.host() || after.is_plain() && !before.is_plain()
}

/// Refuses what cannot open an API: 1–512 visible ASCII characters can stand in a header.
///
/// # Errors
/// Names the rule that was broken, without the text.
pub fn check_credential(text: &str) -> Result<Secret, Invalid> {
    check_word(text, CREDENTIAL_MAX).map(Secret::new)
}

/// What is shown of a credential, to tell which it is: its last four characters, and nothing of a short one.
pub fn credential_hint(credential: &Secret) -> Option<String> {
    let text = credential.expose();
    let start = text.len().checked_sub(HINT).filter(|_| text.len() >= HINTED_FROM)?;
    text.get(start..).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> Provider {
        let at = Timestamp::from_millis(0);
        Provider {
            id: ProviderId::from_u128(1),
            tenant_id: TenantId::from_u128(2),
            name: "OpenAI".parse().unwrap(),
            protocol: Protocol::OpenAi,
            base_url: "https://api.openai.com/v1".parse().unwrap(),
            environment: None,
            enabled: true,
            created_at: at,
            updated_at: at,
            version: 1,
        }
    }

    #[test]
    fn a_credential_is_needed_again_for_another_host_or_without_encryption() {
        let to =
            |url: &str| ProviderPatch { base_url: Some(url.parse().unwrap()), ..ProviderPatch::default() };
        for (url, is_needed) in [
            ("https://api.openai.com/v2", false),
            ("https://api.openai.com:8443/v1", false),
            ("https://api.openai.com.example.com/v1", true),
            ("https://eu.api.openai.com/v1", true),
            ("http://api.openai.com/v1", true),
        ] {
            let mut own = provider();
            assert_eq!(to(url).apply(&mut own).is_err(), is_needed, "{url}");
            let again = ProviderPatch { credential: Some(Secret::new("sk-again")), ..to(url) };
            let mut own = provider();
            assert_eq!(again.apply(&mut own), Ok(()));
            assert_eq!(own.base_url.as_str(), url);
        }
    }

    #[test]
    fn the_version_in_a_path_of_anthropics_stands_there_once() {
        let base_url = "https://api.anthropic.com/v1".parse().unwrap();
        assert!(provider().check().is_ok());
        let twice = Provider { protocol: Protocol::Anthropic, base_url, ..provider() };
        assert_eq!(twice.check().unwrap_err().field, "base_url");
        let base_url = "https://api.anthropic.com".parse().unwrap();
        assert!(Provider { base_url, ..twice }.check().is_ok());
    }

    #[test]
    fn a_provider_serves_its_environment_while_it_is_on() {
        let all = provider();
        assert!(all.serves(Environment::Production) && all.serves(Environment::Development));
        let one = Provider { environment: Some(Environment::Staging), ..provider() };
        assert!(one.serves(Environment::Staging) && !one.serves(Environment::Production));
        assert!(!Provider { enabled: false, ..provider() }.serves(Environment::Production));
    }

    #[test]
    fn a_hint_is_the_end_of_a_long_credential() {
        let hint = |text: &str| credential_hint(&check_credential(text).unwrap());
        assert_eq!(hint("sk-proj-0123456789abcdef").as_deref(), Some("cdef"));
        assert_eq!(hint("short-credent").as_deref(), None);
        for bad in ["", "with space", "line\nbreak", "ümlaut", &"a".repeat(513)] {
            assert!(check_credential(bad).is_err());
        }
    }
}
