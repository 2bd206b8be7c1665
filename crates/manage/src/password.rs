//! Hashing and checking passwords.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use keystile_core::{Email, Entropy, Invalid, Secret};

use crate::Refused;
use crate::strength::guesses_log10;
use crate::turns::Turns;

/// Shortest password, in characters.
const LEAST_CHARS: usize = 12;
/// Longest password, in bytes; hashing costs the same for all of them, reading does not.
const MOST_BYTES: usize = 1024;
/// A password must need at least 10^this guesses.
const LEAST_GUESSES_LOG10: f64 = 8.0;
/// A shorter local part of an address may stand in a password by chance.
const LEAST_LOCAL_PART: usize = 4;
/// Hashes computed at the same time. Each takes 19 MiB and a core for some 20 ms; more would let a flood of
/// sign-ins starve verification.
const MOST_AT_ONCE: usize = 2;
/// Hashes that wait for their turn, about a second's worth. Whoever comes then is told to come back: a flood of sign-ins
/// would otherwise fill the memory, and let everybody wait longer than they will.
const MOST_WAITING: usize = 64;

/// Argon2id with the parameters of OWASP's recommendation (19 MiB, t=2, p=1), a few at a time.
pub(crate) struct Passwords {
    turns: Turns,
    /// Checked when an account does not exist, so that the answer takes as long.
    nobody: Arc<str>,
    checked: AtomicU64,
}

/// How busy the hashing of passwords is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordLoad {
    /// Hashes that are computed or wait for their turn now.
    pub queued: usize,
    /// Most that there may be.
    pub most: usize,
    /// How many were sent away since the start because there were so many.
    pub refused: u64,
}

impl Passwords {
    pub(crate) fn new(entropy: &dyn Entropy) -> Result<Self, Refused> {
        let mut random = [0; 32];
        entropy.fill(&mut random)?;
        let nobody = compute(&random, salt(entropy)?)?.into();
        Ok(Self { turns: Turns::new(MOST_AT_ONCE, MOST_WAITING), nobody, checked: AtomicU64::new(0) })
    }

    /// The hash, in PHC string form, of a password that is acceptable for somebody with this address. `field` names it in a refusal.
    pub(crate) async fn hash_for(
        &self,
        email: &Email,
        (field, password): (&str, Secret),
        entropy: &dyn Entropy,
    ) -> Result<String, Refused> {
        let (salt, email) = (salt(entropy)?, email.clone());
        let checked = move || {
            check_for(&email, &password)?;
            Ok(compute(password.expose().as_bytes(), salt))
        };
        let checked: Result<_, Invalid> = self.turns.take(checked).await?;
        checked.map_err(|invalid| invalid.at(field))?
    }

    /// Gives a password back, and says whether it is acceptable for somebody with this address.
    pub(crate) async fn judge(
        &self,
        email: &Email,
        password: Secret,
    ) -> Result<(Secret, Result<(), Invalid>), Refused> {
        let email = email.clone();
        let judge = move || {
            let judged = check_for(&email, &password);
            (password, judged)
        };
        self.turns.take(judge).await
    }

    /// The hash of a password that was found acceptable.
    pub(crate) async fn hash(&self, password: Secret, entropy: &dyn Entropy) -> Result<String, Refused> {
        let salt = salt(entropy)?;
        self.turns.take(move || compute(password.expose().as_bytes(), salt)).await?
    }

    pub(crate) fn load(&self) -> PasswordLoad {
        self.turns.load()
    }

    /// How many passwords were compared since the start.
    pub(crate) fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// Whether the password is the one that was hashed; never true without a hash, but just as slow.
    pub(crate) async fn matches(&self, password: Secret, hash: Option<String>) -> Result<bool, Refused> {
        let exists = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| self.nobody.clone(), Into::into);
        let verified = self.turns.take(move || verify(&password, &hash)).await?;
        self.checked.fetch_add(1, Ordering::Relaxed);
        Ok(verified && exists)
    }
}

fn salt(entropy: &dyn Entropy) -> Result<[u8; 16], Refused> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

fn compute(password: &[u8], salt: [u8; 16]) -> Result<String, Refused> {
    let hashed = Argon2::default().hash_password_with_salt(password, &salt);
    hashed
        .map(|hash| hash.to_string())
        .map_err(|error| Refused::Internal(format!("password hashing failed: {error}")))
}

fn verify(password: &Secret, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

fn check(password: &Secret) -> Result<(), Invalid> {
    let text = password.expose();
    if text.chars().count() < LEAST_CHARS || text.len() > MOST_BYTES {
        return Err(Invalid::rule(format!(
            "must have at least {LEAST_CHARS} characters and at most {MOST_BYTES} bytes"
        )));
    }
    if guesses_log10(text, &[], LEAST_GUESSES_LOG10) < LEAST_GUESSES_LOG10 {
        return Err(Invalid::rule("can be guessed; take several unrelated words or random characters"));
    }
    Ok(())
}

/// Goes on with a password that is acceptable for somebody with this address.
fn check_for(email: &Email, password: &Secret) -> Result<(), Invalid> {
    check(password)?;
    let local = email.as_str().split('@').next().unwrap_or_default();
    if local.len() >= LEAST_LOCAL_PART && password.expose().to_lowercase().contains(local) {
        return Err(Invalid::rule("must not contain the name in your email address"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), keystile_core::NoEntropy> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[tokio::test]
    async fn only_the_hashed_password_matches_and_nothing_matches_no_account() {
        let passwords = Passwords::new(&Counting).unwrap();
        let hash = passwords
            .hash_for(
                &"ada@example.com".parse().unwrap(),
                ("password", Secret::new("rusty-otter-41-lamp")),
                &Counting,
            )
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let matches = async |text: &str, hash| passwords.matches(Secret::new(text), hash).await.unwrap();
        assert!(matches("rusty-otter-41-lamp", Some(hash.clone())).await);
        assert!(!matches("rusty-otter-41-lamb", Some(hash)).await);
        assert!(!matches("rusty-otter-41-lamp", None).await);
        assert_eq!(passwords.checked(), 3, "a missing account costs what a wrong password does");
    }

    /// The longest of the lists of passwords that leaks are full of; shorter ones are refused for their length.
    #[test]
    fn the_most_common_passwords_are_refused() {
        for common in [
            "123456789012",
            "1234567890123456",
            "passwordpassword",
            "password123456",
            "qwertyuiop123",
            "1q2w3e4r5t6y7u8i",
            "qwertyuiopasdfghjkl",
            "iloveyouiloveyou",
            "unbelievable",
            "administrator1",
            "letmeinletmein",
            "abcdefghijkl",
            "111111111111",
            "1qaz2wsx3edc",
            "zaq12wsxcde3",
            "football1234",
            "a-b-c-d-e-f-g",
        ] {
            assert!(check(&Secret::new(common)).is_err(), "{common}");
        }
    }

    #[test]
    fn the_name_in_the_address_is_no_part_of_a_password() {
        let check = |email: &str, text| check_for(&email.parse().unwrap(), &Secret::new(text));
        assert!(check("lovelace@example.com", "rusty-Lovelace-41-lamp").is_err());
        assert!(check("lovelace@example.com", "rusty-otter-41-lamp").is_ok());
        assert!(
            check("ot@example.com", "rusty-otter-41-lamp").is_ok(),
            "two letters may stand there by chance"
        );
    }

    #[test]
    fn short_and_common_passwords_are_refused() {
        for weak in ["short", "password1234", "aaaaaaaaaaaaaaaa", "qwertyuiop[]"] {
            assert!(check(&Secret::new(weak)).is_err(), "{weak}");
        }
        assert!(check(&Secret::new("rusty-otter-41-lamp")).is_ok());
    }
}
