//! Where a key's secret comes from.

use keystile_core::key::{check_brought_secret, mint};
use keystile_core::{Environment, Invalid, Secret, TenantId};

use crate::{ControlPlane, Refused};

/// A brought secret must need at least 10^this guesses: about 56 bits. The estimate ends near 10^19.
const LEAST_GUESSES_LOG10: f64 = 17.0;

impl ControlPlane {
    /// The secret a tenant brings, or a new one.
    pub(super) async fn secret_for(
        &self,
        tenant_id: TenantId,
        environment: Environment,
        brought: Option<Secret>,
    ) -> Result<Secret, Refused> {
        if let Some(secret) = brought {
            check_strength(&secret, environment).map_err(|invalid| invalid.at("secret"))?;
            return Ok(secret);
        }
        let tenant = self.store.tenant(tenant_id).await?.ok_or(Refused::NotFound("tenant"))?;
        let mut random = [0; 32];
        self.entropy.fill(&mut random)?;
        Ok(mint(&tenant.key_label, environment, &random))
    }
}

fn check_strength(secret: &Secret, environment: Environment) -> Result<(), Invalid> {
    check_brought_secret(secret, environment)?;
    if zxcvbn::zxcvbn(secret.expose(), &[]).guesses_log10() < LEAST_GUESSES_LOG10 {
        return Err(Invalid::rule("can be guessed; take at least 24 random characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Invalid> {
        check_strength(&Secret::new(text), Environment::Production)
    }

    #[test]
    fn a_guessable_secret_is_refused_and_a_random_one_taken() {
        for weak in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "passwordpasswordpassword",
            "correcthorsebatterystaple",
            "123456789012345678901234",
        ] {
            assert!(check(weak).is_err(), "{weak}");
        }
        for strong in [
            "c41f8a07d93be6525af0917d",
            "sk-xT9vQ2mLpR7wKzB4nYcJ8dHs",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert!(check(strong).is_ok(), "{strong}");
        }
    }
}
