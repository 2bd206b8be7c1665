//! Where a key's secret comes from.

use std::iter::once;

use keystile_core::key::{KeyDraft, check_brought_secret, mint};
use keystile_core::{ApiKey, ApplicationId, Environment, Invalid, Secret, TenantId};

use crate::strength::{guesses_log10, words};
use crate::turns::Turns;
use crate::{ControlPlane, Refused};

/// A brought secret must need at least 10^this guesses: about 56 bits. Of 24 random characters one in ten thousand texts, with many
/// signs, comes near it.
const LEAST_GUESSES_LOG10: f64 = 17.0;

/// Brought secrets that are judged at the same time. Each takes a core for some milliseconds.
const MOST_AT_ONCE: usize = 1;
/// Brought secrets that wait to be judged, at most a second's worth. The queue is not that of passwords, so that a key that may
/// issue keeps nobody from signing in.
const MOST_WAITING: usize = 64;

/// What stands in secrets that people make up.
const USUAL: [&str; 45] = [
    "access",
    "account",
    "admin",
    "api",
    "app",
    "application",
    "auth",
    "backend",
    "bearer",
    "billing",
    "client",
    "cloud",
    "company",
    "customer",
    "data",
    "default",
    "dev",
    "development",
    "external",
    "frontend",
    "gateway",
    "internal",
    "key",
    "live",
    "main",
    "master",
    "partner",
    "password",
    "private",
    "prod",
    "production",
    "public",
    "secret",
    "server",
    "service",
    "stage",
    "staging",
    "super",
    "system",
    "test",
    "tenant",
    "token",
    "user",
    "web",
    "webhook",
];

/// The queue in which brought secrets are judged.
pub(crate) fn judging() -> Turns {
    Turns::new(MOST_AT_ONCE, MOST_WAITING)
}

/// The key that a secret is for.
pub(super) struct Bearer<'a> {
    pub(super) environment: Environment,
    application_id: ApplicationId,
    names: [&'a str; 2],
}

impl<'a> Bearer<'a> {
    pub(super) fn drafted(draft: &'a KeyDraft, application_id: ApplicationId) -> Self {
        let source = draft.settings.source_id.as_ref().and_then(Option::as_deref);
        Self {
            environment: draft.environment,
            application_id,
            names: [draft.name.as_str(), source.unwrap_or_default()],
        }
    }

    pub(super) fn of(key: &'a ApiKey) -> Self {
        Self {
            environment: key.environment,
            application_id: key.application_id,
            names: [key.name.as_str(), key.source_id.as_deref().unwrap_or_default()],
        }
    }
}

impl ControlPlane {
    /// The secret a tenant brings, or a new one.
    pub(super) async fn secret_for(
        &self,
        tenant_id: TenantId,
        bearer: Bearer<'_>,
        brought: Option<Secret>,
    ) -> Result<Secret, Refused> {
        let tenant = self.store.tenant(tenant_id).await?.ok_or(Refused::NotFound("tenant"))?;
        let Some(secret) = brought else {
            let mut random = [0; 32];
            self.entropy.fill(&mut random)?;
            return Ok(mint(&tenant.key_label, bearer.environment, &random));
        };
        let application = self.store.application(tenant_id, bearer.application_id).await?;
        let application = application.as_ref().map(|application| application.name.as_str());
        let names = bearer.names.into_iter().chain(once(tenant.name.as_str())).chain(application);
        let (known, environment) = (words(names.chain(USUAL)), bearer.environment);
        let judge = move || check_strength(&secret, environment, &known).map(|()| secret);
        let judged = self.judging.take(judge).await?;
        judged.map_err(|invalid| invalid.at("secret").into())
    }
}

fn check_strength(secret: &Secret, environment: Environment, known: &[String]) -> Result<(), Invalid> {
    check_brought_secret(secret, environment)?;
    if guesses_log10(secret.expose(), known, LEAST_GUESSES_LOG10) < LEAST_GUESSES_LOG10 {
        return Err(Invalid::rule("can be guessed; take at least 24 random characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Invalid> {
        let known = words(["Reports", "Acme"].into_iter().chain(USUAL));
        check_strength(&Secret::new(text), Environment::Production, &known)
    }

    #[test]
    fn a_guessable_secret_is_refused_and_a_strong_one_taken() {
        for weak in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "passwordpasswordpassword",
            "correcthorsebatterystaple",
            "123456789012345678901234",
            "acme-checkout-service-production-key",
            "my-super-secret-api-key-2024!",
            "checkout-service-staging-",
            "ThisIsTheAcmeReportsApiKeyForProduction",
            "2024-01-01-2024-12-31-1999-05-05",
            "qwertyuiop[]QWERTYUIOP{}asdfghjkl",
            "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p",
        ] {
            assert!(check(weak).is_err(), "{weak}");
        }
        for strong in [
            "c41f8a07d93be6525af0917d",
            "sk-xT9vQ2mLpR7wKzB4nYcJ8dHs",
            "550e8400-e29b-41d4-a716-446655440000",
            "acme_live_c41f8a07d93be6525af0917d",
        ] {
            assert!(check(strong).is_ok(), "{strong}");
        }
    }

    #[test]
    fn random_secrets_are_taken_in_every_alphabet() {
        let alphabets: [Vec<u8>; 5] = [
            b"0123456789abcdef".to_vec(),
            b"abcdefghijklmnopqrstuvwxyz234567".to_vec(),
            (b'!'..=b'~').filter(u8::is_ascii_alphanumeric).collect(),
            (b'!'..=b'~').filter(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)).collect(),
            (b'!'..=b'~').collect(),
        ];
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for (length, alphabet) in
            (24..34).flat_map(|length| alphabets.iter().map(move |alphabet| (length, alphabet)))
        {
            for _ in 0..20 {
                let text: String = (0..length).map(|_| char::from(alphabet[next(alphabet.len())])).collect();
                let begins_like_ours = keystile_core::key::Presented::parse(&text).is_err();
                assert!(begins_like_ours || check(&text).is_ok(), "{text}");
            }
        }
    }
}
