//! Secrets that cannot print and digests that compare in constant time.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::Invalid;

/// A text that opens something. It has no `Display` and no `Serialize`, its `Debug` tells nothing, and
/// its memory is wiped when it is dropped.
pub struct Secret(Box<str>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must show or compare it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The only form of it that is ever stored.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// SHA-256 of a secret's whole text. Compared in constant time; hashed by its own first bytes, which are
/// uniform already.
#[derive(Clone, Copy, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest read from storage.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 bytes as a number: a ready-made hash, because a digest is uniform.
    pub fn leading_bits(&self) -> u64 {
        self.words()[0]
    }

    fn words(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    /// 64 lower-case hexadecimal digits: `key_fingerprint` in the API.
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
    }
}

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let broken = || Invalid::rule("must be 64 hexadecimal digits");
        if text.len() != 64 {
            return Err(broken());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let nibble = |c: u8| char::from(c).to_digit(16).and_then(|n| u8::try_from(n).ok());
            *byte =
                nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(broken)?;
        }
        Ok(Self(bytes))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        // Word by word is as constant in time as byte by byte, and a quarter of the work.
        let words = self.words().into_iter().zip(other.words());
        words.fold(0, |differing, (own, theirs)| differing | (own ^ theirs)).ct_eq(&0).into()
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.leading_bits());
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// Takes the digest of what comes in pieces.
#[derive(Clone, Default)]
pub struct Digesting(Sha256);

impl Digesting {
    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Digesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digesting(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_secret_nor_a_digest_prints_itself() {
        let secret = Secret::new("open sesame");
        let printed = format!("{secret:?} {:?}", secret.digest());
        assert_eq!(printed, "Secret(…) Digest(…)");
    }

    #[test]
    fn a_digest_is_sha_256_in_hexadecimal_and_back() {
        // FIPS 180-2, appendix B.1.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_hex(), hex);
        assert_eq!(hex.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        assert!("zz".repeat(32).parse::<Digest>().is_err());
        assert!(Digest::of(b"abc") != Digest::of(b"abd"));
        let mut pieces = Digesting::default();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert!(pieces.finish() == Digest::of(b"abc"));
    }
}
