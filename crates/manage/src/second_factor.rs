//! Enrolling, confirming and removing a second factor.

use keystile_core::{Action, Digest, Invalid, Secret};
use keystile_measure::SPANS;
use keystile_store::Factor;
use serde_json::json;
use tracing::instrument;
use zeroize::Zeroizing;

use crate::sign_in::InVain;
use crate::totp::{self, SECRET_LEN};
use crate::{Conflict, ControlPlane, Present, Refused, ShownFactor};

/// Recovery codes that a person gets.
const RECOVERY_CODES: usize = 10;
/// Random bytes in one: 80 bits, so that its plain digest can be stored.
const RECOVERY_LEN: usize = 10;

/// A TOTP secret, shown once, to be put into an authenticator.
#[derive(Debug)]
pub struct Enrolment {
    /// In base32.
    pub secret: Secret,
    /// The same as an `otpauth://` URI, for a QR code.
    pub uri: Secret,
}

impl ControlPlane {
    /// Makes a TOTP secret for the person, which takes the password: whoever finds a session open must not put an
    /// authenticator of theirs in its way. It is not asked for before it is confirmed; one that never was is replaced.
    ///
    /// # Errors
    /// [`Refused::WrongCredentials`] for a wrong password, [`Conflict::SecondFactor`] when the person has one.
    #[instrument(target = SPANS, skip_all)]
    pub async fn enrol_totp(&self, present: &Present, password: Secret) -> Result<Enrolment, Refused> {
        self.prove(Some(&present.person), password, &present.origin).await?;
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        self.entropy.fill(secret.as_mut())?;
        let id = present.person.id;
        let sealed = self.vault.seal(self.entropy.as_ref(), &totp::context(id), secret.as_ref())?;
        if !self.store.enrol(id, sealed, self.now()).await? {
            return Err(Refused::Conflict(Conflict::SecondFactor));
        }
        let secret = Secret::new(totp::base32(secret.as_ref()));
        let uri = Secret::new(totp::uri(&present.person.email, secret.expose()));
        Ok(Enrolment { secret, uri })
    }

    /// Confirms the TOTP secret with a code that it makes. From then on signing in takes one; this session has shown
    /// it. Gives the recovery codes, once.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for a wrong code, [`Refused::NotFound`] when there is nothing to confirm.
    #[instrument(target = SPANS, skip_all)]
    pub async fn confirm_totp(&self, present: &Present, code: &Secret) -> Result<Vec<Secret>, Refused> {
        let id = present.person.id;
        let enrolled = self.store.enrolled(id).await?.filter(|enrolled| enrolled.confirmed_at.is_none());
        let sealed = enrolled.ok_or(Refused::NotFound("enrolment"))?.secret;
        let secret = self.vault.open(&totp::context(id), &sealed)?;
        let now = self.now();
        let step = totp::matching_step(&secret, code.expose(), now)
            .ok_or_else(|| Invalid::new("code", "is not the code that this secret makes now"))?;
        let codes = self.recovery_codes()?;
        let digests = codes.iter().map(|code| recovery_digest(code.expose())).collect();
        let audit = self.entries_of(present, (Action::TotpConfirm, id.to_string()), json!({})).await?;
        let who = (id, present.session.id);
        if !self.store.confirm_factor(who, (sealed, step, now), digests, audit).await? {
            return Err(Refused::NotFound("enrolment"));
        }
        Ok(codes)
    }

    /// Removes the second factor, which takes the password and the factor itself.
    ///
    /// # Errors
    /// [`Refused::WrongCredentials`] when either is wrong, [`Refused::NotFound`] when the person has none.
    #[instrument(target = SPANS, skip_all)]
    pub async fn remove_totp(
        &self,
        present: &Present,
        password: Secret,
        shown: Option<ShownFactor>,
    ) -> Result<(), Refused> {
        let facts = self.prove(Some(&present.person), password, &present.origin).await?;
        let factor = self.read_factor(&facts, shown, &present.origin).await?;
        if factor == Factor::Nothing {
            return Err(Refused::NotFound("second factor"));
        }
        let id = present.person.id;
        let audit = self.entries_of(present, (Action::TotpRemove, id.to_string()), json!({})).await?;
        if self.store.remove_factor(id, factor, audit).await? {
            return Ok(());
        }
        Err(self.failed(Some(&present.person), InVain::Overtaken, &present.origin).await)
    }

    fn recovery_codes(&self) -> Result<Vec<Secret>, Refused> {
        let one = |_| {
            let mut random = Zeroizing::new([0; RECOVERY_LEN]);
            self.entropy.fill(random.as_mut())?;
            let letters = totp::base32(random.as_ref()).to_lowercase();
            let groups: Vec<_> = letters.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
            Ok(Secret::new(groups.join("-")))
        };
        (0..RECOVERY_CODES).map(one).collect()
    }
}

/// What is stored of a recovery code: the digest of its letters, however they were typed.
pub(crate) fn recovery_digest(code: &str) -> Digest {
    let letters: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    Digest::of(letters.as_bytes())
}
