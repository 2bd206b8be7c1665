//! What stands in for a person's authenticator (RFC 6238 with SHA-1, six digits, 30 seconds). Written apart from what
//! the server does, so that the two agree by the standard alone.

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

/// The code that is shown so many seconds after the epoch for a secret in base32.
///
/// # Panics
/// When that is no base32.
pub fn code(secret: &str, seconds: i64) -> String {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes(secret));
    let tag = sign(&key, &(seconds / 30).to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    format!("{:06}", number % 1_000_000)
}

/// What a secret in base32 stands for.
///
/// # Panics
/// When that is no base32.
pub fn bytes(secret: &str) -> Vec<u8> {
    let digits = secret.bytes().map(|letter| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'2'..=b'7' => letter - b'2' + 26,
        _ => panic!("no base32: {secret}"),
    });
    let bits: Vec<u8> = digits.flat_map(|digit| (0..5).rev().map(move |place| digit >> place & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
