//! Secrets that must be read again, encrypted at rest under a key that is not in the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use keystile_core::{Digest, Entropy};
use keystile_store::Sealed;
use zeroize::Zeroizing;

use crate::Refused;

/// Length of the key, in bytes.
const KEY_LEN: usize = 32;

/// Seals with AES-256-GCM. Each value is bound to a context, such as the person whose it is, so that it cannot be moved
/// to another place in the database. Nonces are random: 96 bits are enough for some billions of values.
pub struct Vault {
    key: LessSafeKey,
    fingerprint: Digest,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate(entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let mut key = Zeroizing::new(vec![0; KEY_LEN]);
        entropy.fill(&mut key)?;
        Ok(key)
    }

    /// Takes a key.
    ///
    /// # Errors
    /// When it has not 32 bytes.
    pub fn from_key(key: &[u8]) -> Result<Self, Refused> {
        let wrong = |_| Refused::Internal(format!("the encryption key does not have {KEY_LEN} bytes"));
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(wrong)?;
        let fingerprint = Digest::of(&[b"keystile vault key\0", key].concat());
        Ok(Self { key: LessSafeKey::new(unbound), fingerprint })
    }

    /// Tells keys apart, and nothing else about them.
    pub const fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    pub(crate) fn seal(&self, entropy: &dyn Entropy, context: &str, value: &[u8]) -> Result<Sealed, Refused> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut ciphertext = value.to_vec();
        let place = Aad::from(context.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut ciphertext)
            .map_err(|_| Refused::Internal("a value could not be sealed".to_owned()))?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut ciphertext);
        Ok(Sealed { by: self.fingerprint, bytes })
    }

    pub(crate) fn open(&self, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let refused = || Refused::Internal("a sealed value cannot be opened with this key".to_owned());
        let (nonce, ciphertext) = sealed.bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
        let mut value = Zeroizing::new(ciphertext.to_vec());
        let place = Aad::from(context.as_bytes());
        let opened = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), place, &mut value);
        let length = opened.map_err(|_| refused())?.len();
        value.truncate(length);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Same(u8);

    impl Entropy for Same {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), keystile_core::NoEntropy> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    fn vault(byte: u8) -> Vault {
        Vault::from_key(&Vault::generate(&Same(byte)).unwrap()).unwrap()
    }

    #[test]
    fn only_the_same_key_opens_a_value_and_only_where_it_belongs() {
        let sealed = vault(1).seal(&Same(3), "totp:per_1", b"secret").unwrap();
        assert!(!sealed.bytes.windows(6).any(|window| window == b"secret"));
        assert_eq!(vault(1).open("totp:per_1", &sealed).unwrap().as_slice(), b"secret");
        assert!(vault(1).open("totp:per_2", &sealed).is_err());
        assert!(vault(2).open("totp:per_1", &sealed).is_err());
        assert_ne!(vault(1).fingerprint(), vault(2).fingerprint());
    }

    #[test]
    fn a_changed_or_cut_value_is_not_opened() {
        let sealed = vault(1).seal(&Same(3), "a", b"secret").unwrap();
        for place in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[place] ^= 1;
            assert!(vault(1).open("a", &changed).is_err(), "{place}");
            let cut = Sealed { bytes: sealed.bytes[..place].to_vec(), ..sealed.clone() };
            assert!(vault(1).open("a", &cut).is_err(), "{place}");
        }
        assert!(Vault::from_key(&[0; 31]).is_err());
    }
}
