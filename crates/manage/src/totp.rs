//! Time-based one-time passwords: RFC 6238 with SHA-1, six digits and steps of 30 seconds, which is what every
//! authenticator takes.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use keystile_core::{Email, PersonId, Timestamp};

/// Length of a secret, in bytes: that of the digest (RFC 4226, section 4).
pub(crate) const SECRET_LEN: usize = 20;
/// Seconds for which a code is shown.
const STEP_SECONDS: i64 = 30;
/// Codes of so many steps before and after the present one are accepted: clocks differ, and people type slowly.
const TOLERATED: i64 = 1;

/// The place of a person's secret in the vault.
pub(crate) fn context(person_id: PersonId) -> String {
    format!("totp:{person_id}")
}

/// The step in which this code is shown, if it is one about now.
pub(crate) fn matching_step(secret: &[u8], shown: &str, now: Timestamp) -> Option<i64> {
    let present = now.as_seconds().div_euclid(STEP_SECONDS);
    let shown: String = shown.chars().filter(|c| !c.is_whitespace()).collect();
    (present - TOLERATED..=present + TOLERATED)
        .find(|step| verify_slices_are_equal(code(secret, *step).as_bytes(), shown.as_bytes()).is_ok())
}

/// The code of a step (RFC 4226, section 5.3).
fn code(secret: &[u8], step: i64) -> String {
    let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 15);
    let word = tag.iter().skip(offset).take(4).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// What an authenticator reads from a QR code (the Key Uri Format of Google Authenticator).
pub(crate) fn uri(email: &Email, secret: &str) -> String {
    let account = percent(email.as_str());
    format!(
        "otpauth://totp/Keystile:{account}?secret={secret}&issuer=Keystile&algorithm=SHA1&digits=6&period=30"
    )
}

fn percent(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// RFC 4648, section 6, without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let digit = |chunk: &[u8], place: usize| {
        let bits =
            chunk.iter().enumerate().fold(0_u64, |bits, (at, byte)| bits | u64::from(*byte) << (32 - 8 * at));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(bits >> (35 - 5 * place) & 31) as usize])
    };
    let digits = |chunk: &[u8]| {
        (0..(chunk.len() * 8).div_ceil(5)).map(|place| digit(chunk, place)).collect::<String>()
    };
    bytes.chunks(5).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// RFC 6238, appendix B; the last six of the eight digits there.
    #[test]
    fn the_codes_are_those_of_the_standard() {
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(SECRET, seconds / 30), expected, "{seconds}");
            assert_eq!(matching_step(SECRET, expected, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_or_late_and_no_more() {
        let shown = code(SECRET, 1000);
        for step in 998..=1002 {
            let expected = (999..=1001).contains(&step).then_some(1000);
            assert_eq!(matching_step(SECRET, &shown, at(step * 30 + 7)), expected, "{step}");
        }
        for bad in ["", "28708", "2870822", "28708a", &"1".repeat(5000)] {
            assert_eq!(matching_step(SECRET, bad, at(59)), None, "{bad}");
        }
        assert_eq!(matching_step(SECRET, "287 082", at(59)), Some(1), "as authenticators show it");
    }

    /// RFC 4648, section 10.
    #[test]
    fn base32_is_that_of_the_standard() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn an_address_cannot_break_out_of_the_uri() {
        let uri = uri(&"a?secret=x&b@example.com".parse().unwrap(), "MZXW6");
        assert!(
            uri.starts_with("otpauth://totp/Keystile:a%3Fsecret%3Dx%26b%40example.com?secret=MZXW6&"),
            "{uri}"
        );
    }
}
