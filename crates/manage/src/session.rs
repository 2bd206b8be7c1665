//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037), checked as RFC 8725 advises.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use keystile_core::{
    Actor, ApplicationId, Digest, Entropy, KeyId, PersonId, Secret, SessionId, TenantId, Timestamp,
};
use keystile_store::Sealed;
use serde::{Deserialize, Serialize};

use crate::{ControlPlane, Refused, Vault};

/// How long an access token lives.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Longest token that is looked at, in bytes.
const MAX_TOKEN_LENGTH: usize = 2048;
/// Clocks of nodes that sign for each other may differ by so much.
const LEEWAY: Duration = Duration::from_secs(30);
const ISSUER: &str = "keystile";
const AUDIENCE: &str = "keystile";
const TYPE: &str = "at+jwt";
/// Tells what is sealed from what is signed.
const SEALING: &[u8] = b"keystile sealing\0";
/// Tells what is sealed into tokens from both.
const HOLDING: &[u8] = b"keystile holding\0";

/// The private key that signs access tokens. Whoever holds it can act as anybody; it is kept in a file of
/// its own, never in the database.
pub struct SigningKey {
    key_id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    sealing: Digest,
    holding: Vault,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A token, to be shown to whom it was made for.
#[derive(Debug)]
pub struct AccessToken(pub Secret);

/// Proof that a person had a session less than an hour ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    pub(crate) person_id: PersonId,
    pub(crate) session_id: SessionId,
    pub(crate) tenant_id: Option<TenantId>,
}

impl SignedIn {
    /// The person.
    pub const fn person_id(&self) -> PersonId {
        self.person_id
    }

    /// The tenant that the token was made for.
    pub const fn tenant_id(&self) -> Option<TenantId> {
        self.tenant_id
    }
}

/// An API key together with the secret that was shown for it: with another secret it is held no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldKey {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Which one.
    pub key_id: KeyId,
    /// Of the secret.
    pub digest: Digest,
}

/// Proof that somebody held an API key less than an hour ago: what an application's key was exchanged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Automation {
    pub(crate) application_id: ApplicationId,
    pub(crate) key: HeldKey,
}

impl Automation {
    /// The key that was held. Whether it still is has to be asked anew for each request.
    pub const fn key(&self) -> HeldKey {
        self.key
    }
}

/// Whom a token was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// A person.
    Person(SignedIn),
    /// Automation that holds a key of an application.
    Automation(Automation),
}

impl Bearer {
    /// The tenant the token was made for.
    pub const fn tenant_id(&self) -> Option<TenantId> {
        match self {
            Self::Person(person) => person.tenant_id,
            Self::Automation(automation) => Some(automation.key.tenant_id),
        }
    }
}

/// A text is not a token that we signed and that is good now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Not ours, or tampered with.
    #[error("the token is not one that this server signed")]
    Invalid,
    /// Its hour is over.
    #[error("the token has expired; sign in again")]
    Expired,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<ApplicationId>,
    /// The digest of the key's secret, sealed: who reads a token must not be able to try guesses of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl SigningKey {
    /// Makes a new key, in PKCS#8 DER.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Vec<u8>, Refused> {
        let document = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        document
            .map(|der| der.as_ref().to_vec())
            .map_err(|_| Refused::Internal("no signing key could be made".to_owned()))
    }

    /// Reads a key in PKCS#8 DER.
    ///
    /// # Errors
    /// When it is no Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Refused> {
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| {
            Refused::Internal("the signing key is not an Ed25519 key in PKCS#8 form".to_owned())
        })?;
        let public = pair.public_key().as_ref();
        let key_id = Digest::of(public).to_hex()[..16].to_owned();
        Ok(Self {
            key_id,
            encoding: EncodingKey::from_ed_der(der),
            decoding: DecodingKey::from_ed_der(public),
            sealing: Digest::of(&[SEALING, der].concat()),
            holding: Vault::from_key(Digest::of(&[HOLDING, der].concat()).as_bytes())?,
        })
    }

    /// What else is derived from the key that is never in the database.
    pub(crate) const fn sealing(&self) -> &[u8; 32] {
        self.sealing.as_bytes()
    }

    pub(crate) fn issue(
        &self,
        bearer: Bearer,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<AccessToken, Refused> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.key_id.clone());
        let mut random = [0; 16];
        entropy.fill(&mut random)?;
        let (sub, sid, tenant_id, app_id, held) = match bearer {
            Bearer::Person(SignedIn { person_id, session_id, tenant_id }) => {
                (Actor::Person(person_id), Some(session_id), tenant_id, None, None)
            }
            Bearer::Automation(Automation { application_id, key }) => {
                let held = self.close(key, entropy)?;
                (Actor::Key(key.key_id), None, Some(key.tenant_id), Some(application_id), Some(held))
            }
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub,
            sid,
            tenant_id,
            app_id,
            held,
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: now.plus(TOKEN_LIFETIME).as_seconds(),
            jti: format!("{:032x}", u128::from_be_bytes(random)),
        };
        let signed = jsonwebtoken::encode(&header, &claims, &self.encoding);
        let failed = |error| Refused::Internal(format!("no token could be signed: {error}"));
        signed.map(|token| AccessToken(Secret::new(token))).map_err(failed)
    }

    fn close(&self, key: HeldKey, entropy: &dyn Entropy) -> Result<String, Refused> {
        let sealed = self.holding.seal(entropy, &key.key_id.to_string(), key.digest.as_bytes())?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed.bytes))
    }

    fn open(&self, key_id: KeyId, held: &str) -> Option<Digest> {
        let sealed =
            Sealed { by: self.holding.fingerprint(), bytes: BASE64_URL_SAFE_NO_PAD.decode(held).ok()? };
        let opened = self.holding.open(&key_id.to_string(), &sealed).ok()?;
        opened.as_slice().try_into().ok().map(Digest::from_bytes)
    }

    /// The public half, as others need it to check our tokens (RFC 7517, RFC 8037).
    fn public(&self) -> Result<Jwk, Refused> {
        let failed = |error| Refused::Internal(format!("the signing key cannot be shown: {error}"));
        let mut jwk = Jwk::from_decoding_key(&self.decoding, Some(Algorithm::EdDSA)).map_err(failed)?;
        jwk.common.key_id = Some(self.key_id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(jwk)
    }

    fn check(&self, token: &str, now: Timestamp) -> Result<Bearer, TokenRefused> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(TokenRefused::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefused::Invalid)?;
        let ours = header.typ.as_deref() == Some(TYPE) && header.kid.as_deref() == Some(self.key_id.as_str());
        if !ours {
            return Err(TokenRefused::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules())
            .map_err(|_| TokenRefused::Invalid)?
            .claims;
        if now.minus(LEEWAY).as_seconds() >= claims.exp {
            return Err(TokenRefused::Expired);
        }
        if claims.nbf.max(claims.iat) > now.plus(LEEWAY).as_seconds() {
            return Err(TokenRefused::Invalid);
        }
        self.bearer(&claims).ok_or(TokenRefused::Invalid)
    }

    fn bearer(&self, claims: &Claims) -> Option<Bearer> {
        match (claims.sub, claims.sid, claims.tenant_id, claims.app_id, claims.held.as_deref()) {
            (Actor::Person(person_id), Some(session_id), tenant_id, None, None) => {
                Some(Bearer::Person(SignedIn { person_id, session_id, tenant_id }))
            }
            (Actor::Key(key_id), None, Some(tenant_id), Some(application_id), Some(held)) => {
                let key = HeldKey { tenant_id, key_id, digest: self.open(key_id, held)? };
                Some(Bearer::Automation(Automation { application_id, key }))
            }
            _ => None,
        }
    }
}

/// One algorithm, our own issuer and audience. Times are compared with our clock, not the library's.
fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules
}

impl ControlPlane {
    /// Whose token this is, if we signed it and its hour is not over.
    ///
    /// # Errors
    /// Says whether it is foreign or expired.
    pub fn check_token(&self, token: &str) -> Result<Bearer, TokenRefused> {
        self.signing.check(token, self.now())
    }

    /// The keys that tokens are signed with, as a JWK set (RFC 7517).
    ///
    /// # Errors
    /// When the key cannot be written so.
    pub fn public_keys(&self) -> Result<serde_json::Value, Refused> {
        Ok(serde_json::json!({ "keys": [self.signing.public()?] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
    }

    struct Same;

    impl Entropy for Same {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), keystile_core::NoEntropy> {
            bytes.fill(3);
            Ok(())
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn token(key: &SigningKey) -> String {
        key.issue(Bearer::Person(person()), at(1000), &Same).unwrap().0.expose().to_owned()
    }

    fn person() -> SignedIn {
        let tenant_id = Some(TenantId::from_parts(at(0), 2));
        let (person_id, session_id) = (PersonId::from_parts(at(0), 1), SessionId::from_parts(at(0), 5));
        SignedIn { person_id, session_id, tenant_id }
    }

    #[test]
    fn a_token_is_good_for_an_hour() {
        let key = key();
        let token = token(&key);
        assert_eq!(key.check(&token, at(1000)), Ok(Bearer::Person(person())));
        assert!(key.check(&token, at(1000 + 3600 + 29)).is_ok());
        assert_eq!(key.check(&token, at(1000 + 3600 + 30)), Err(TokenRefused::Expired));
        assert_eq!(key.check(&token, at(1000 - 31)), Err(TokenRefused::Invalid));
    }

    #[test]
    fn the_public_key_is_shown_without_the_private_one() {
        let key = key();
        let jwk = serde_json::to_value(key.public().unwrap()).unwrap();
        let members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(
            (&jwk["kty"], &jwk["crv"], &jwk["alg"]),
            (&"OKP".into(), &"Ed25519".into(), &"EdDSA".into())
        );
        let shown = DecodingKey::from_ed_components(jwk["x"].as_str().unwrap()).unwrap();
        assert!(jsonwebtoken::decode::<Claims>(&token(&key), &shown, &rules()).is_ok());
    }

    #[test]
    fn a_token_for_automation_names_key_and_application() {
        let key = key();
        let automation = automation();
        let token = key.issue(Bearer::Automation(automation), at(1000), &Same).unwrap();
        assert_eq!(key.check(token.0.expose(), at(1000)), Ok(Bearer::Automation(automation)));
    }

    /// Imported secrets may be so weak that their digest gives them away.
    #[test]
    fn whoever_reads_a_token_learns_no_digest() {
        let (ours, theirs) = (key(), key());
        let token = ours.issue(Bearer::Automation(automation()), at(1000), &Same).unwrap();
        let claims = token.0.expose().split('.').nth(1).unwrap();
        let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let held = claims.held.unwrap();
        let (digest, key_id) = (automation().key.digest, automation().key.key_id);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&held).unwrap();
        assert!(!bytes.windows(4).any(|part| digest.as_bytes().windows(4).any(|own| own == part)));
        assert_eq!(ours.open(key_id, &held), Some(digest));
        assert_eq!(ours.open(KeyId::from_parts(at(0), 5), &held), None);
        assert_eq!(theirs.open(key_id, &held), None);
    }

    fn automation() -> Automation {
        let key = HeldKey {
            tenant_id: TenantId::from_parts(at(0), 2),
            key_id: KeyId::from_parts(at(0), 4),
            digest: Digest::of(b"secret"),
        };
        Automation { application_id: ApplicationId::from_parts(at(0), 3), key }
    }

    #[test]
    fn a_foreign_or_altered_token_is_refused() {
        let (ours, theirs) = (key(), key());
        assert_eq!(ours.check(&token(&theirs), at(1000)), Err(TokenRefused::Invalid));
        let good = token(&ours);
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        for bad in
            [format!("{head}."), format!("{header}.e30.{signature}"), "a.b.c".to_owned(), "x".repeat(5000)]
        {
            assert_eq!(ours.check(&bad, at(1000)), Err(TokenRefused::Invalid), "{bad}");
        }
    }

    #[test]
    fn an_unsigned_or_otherwise_signed_token_is_refused() {
        let ours = key();
        let claims = token(&ours);
        let body = claims.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"at+jwt"} and {"alg":"HS256","typ":"at+jwt"}
        for header in ["eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0", "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9"]
        {
            assert_eq!(ours.check(&format!("{header}.{body}.AAAA"), at(1000)), Err(TokenRefused::Invalid));
        }
    }
}
