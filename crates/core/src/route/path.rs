//! The path of a request, in the one way in which everybody reads it.

/// A path that every server reads alike: decoded, without the query and without a slash at its end.
///
/// A gateway and the API behind it may differ in how they read a path. A path that could be taken for another one is
/// therefore refused, and not read in one of the ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainPath(String);

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// It is not `/` and what follows.
    #[error("does not begin with a slash")]
    NoPath,
    /// `//`.
    #[error("has an empty segment")]
    EmptySegment,
    /// `/./`, `/../`, `/a./` or `/a%20/`.
    #[error("has a segment that ends with a dot or a space")]
    DotSegment,
    /// A percent sign that is not followed by two hexadecimal digits, or what is no UTF-8.
    #[error("is not percent-encoded UTF-8")]
    Encoding,
    /// A character that some take for a separator, or drop.
    #[error("contains a character that servers read differently, such as `;`, `\\`, `%2F` or `%25`")]
    Character,
}

impl PlainPath {
    /// Reads the target of a request: its path, and maybe a query, which is left aside.
    ///
    /// # Errors
    /// When it could be read in more than one way.
    pub fn parse(target: &[u8]) -> Result<Self, Unclear> {
        let raw = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let raw = raw.strip_prefix(b"/").ok_or(Unclear::NoPath)?;
        let raw = raw.strip_suffix(b"/").unwrap_or(raw);
        let path = String::from_utf8(decode(raw)?).map_err(|_| Unclear::Encoding)?;
        if path.is_empty() {
            return if target.starts_with(b"//") { Err(Unclear::EmptySegment) } else { Ok(Self(path)) };
        }
        for segment in path.split('/') {
            if segment.is_empty() {
                return Err(Unclear::EmptySegment);
            }
            if segment.ends_with(['.', ' ']) {
                return Err(Unclear::DotSegment);
            }
        }
        Ok(Self(path))
    }

    /// The segments with slashes between them; none for `/`.
    pub(super) fn segments(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }
}

fn decode(raw: &[u8]) -> Result<Vec<u8>, Unclear> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied();
    while let Some(byte) = rest.next() {
        let meant = if byte == b'%' { escaped(rest.next(), rest.next())? } else { byte };
        if is_read_differently(meant) || (byte == b'%' && matches!(meant, b'/' | b'%' | b'?')) {
            return Err(Unclear::Character);
        }
        decoded.push(meant);
    }
    Ok(decoded)
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Result<u8, Unclear> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)?.try_into().ok());
    let digits: Option<(u8, u8)> = digit(high).zip(digit(low));
    digits.map(|(high, low)| high << 4 | low).ok_or(Unclear::Encoding)
}

/// Parameters of segments, fragments, the separator of other systems, and what ends a text in some languages.
const fn is_read_differently(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b';' | b'#' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Result<String, Unclear> {
        PlainPath::parse(target.as_bytes()).map(|path| path.0)
    }

    #[test]
    fn a_path_is_decoded_once_and_its_query_is_left_aside() {
        for (target, path) in [
            ("/", ""),
            ("/?a=//", ""),
            ("/v1/a", "v1/a"),
            ("/v1/a/", "v1/a"),
            ("/v1/%61?b=../%2f", "v1/a"),
            ("/caf%C3%A9/a%20b", "café/a b"),
            ("/.well-known/x", ".well-known/x"),
        ] {
            assert_eq!(read(target).as_deref(), Ok(path), "{target}");
        }
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
        for (target, why) in [
            ("", Unclear::NoPath),
            ("*", Unclear::NoPath),
            ("http://api/v1", Unclear::NoPath),
            ("//", Unclear::EmptySegment),
            ("/a//", Unclear::EmptySegment),
            ("//a", Unclear::EmptySegment),
            ("/a//b", Unclear::EmptySegment),
            ("/a/../b", Unclear::DotSegment),
            ("/a/%2e%2E/b", Unclear::DotSegment),
            ("/./a", Unclear::DotSegment),
            ("/a/.", Unclear::DotSegment),
            ("/a%20/b", Unclear::DotSegment),
            ("/a%", Unclear::Encoding),
            ("/a%4", Unclear::Encoding),
            ("/a%+1", Unclear::Encoding),
            ("/%ff", Unclear::Encoding),
            ("/%c0%af", Unclear::Encoding),
            ("/a%2fb", Unclear::Character),
            ("/a%252fb", Unclear::Character),
            ("/a%5Cb", Unclear::Character),
            ("/a\\b", Unclear::Character),
            ("/a;b=c/d", Unclear::Character),
            ("/a%3bb", Unclear::Character),
            ("/a%00", Unclear::Character),
            ("/a\tb", Unclear::Character),
            ("/a%3Fb", Unclear::Character),
            ("/a#b", Unclear::Character),
        ] {
            assert_eq!(read(target), Err(why), "{target}");
        }
    }
}
