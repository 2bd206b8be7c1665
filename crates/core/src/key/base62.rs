//! Numbers in the digits `0-9A-Za-z`, most significant first, padded with zeros.

pub(super) const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The digits as a regular expression writes them between brackets.
pub(super) const CLASS: &str = "0-9A-Za-z";

/// Digits that hold any 256-bit number.
pub(super) const BODY_LENGTH: usize = 43;
/// Digits that hold any 32-bit number.
pub(super) const CHECK_LENGTH: usize = 6;

/// Writes a 256-bit big-endian number.
pub(super) fn encode_256(bytes: &[u8; 32]) -> [u8; BODY_LENGTH] {
    let mut number = *bytes;
    let mut digits = [b'0'; BODY_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.as_bytes()[divide_by_62(&mut number)];
    }
    digits
}

/// Writes a 32-bit number.
pub(super) fn encode_32(mut number: u32) -> [u8; CHECK_LENGTH] {
    let mut digits = [b'0'; CHECK_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.as_bytes()[(number % 62) as usize];
        number /= 62;
    }
    digits
}

/// Divides a big-endian number in place and returns the remainder.
fn divide_by_62(number: &mut [u8; 32]) -> usize {
    let mut remainder = 0_u16;
    for byte in number {
        let part = remainder << 8 | u16::from(*byte);
        #[expect(clippy::cast_possible_truncation, reason = "remainder < 62, so the quotient fits a byte")]
        let quotient = (part / 62) as u8;
        *byte = quotient;
        remainder = part % 62;
    }
    usize::from(remainder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_agree_with_the_published_token_example() {
        // The example GitHub gives for its own tokens, which use the same digits.
        let crc = crc32fast::hash(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ");
        assert_eq!(&encode_32(crc), b"0mLq17");
    }

    #[test]
    fn the_class_of_the_digits_has_each_of_them() {
        let ranges = CLASS.as_bytes().chunks(3).flat_map(|range| range[0]..=range[2]);
        assert!(ranges.eq(DIGITS.bytes()));
    }

    #[test]
    fn the_largest_numbers_fit() {
        assert_eq!(&encode_32(u32::MAX), b"4gfFC3");
        assert_eq!(encode_256(&[0; 32]), [b'0'; 43]);
        let mut small = [0; 32];
        small[30] = 1;
        assert!(encode_256(&small).ends_with(b"0048"), "256 = 4 * 62 + 8");
        assert!(encode_256(&[255; 32])[0] != b'0', "all 43 digits are needed");
    }
}
