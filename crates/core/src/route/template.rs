//! Templates of paths: `/v1/customers/{id}/orders/{*rest}`.

use crate::Invalid;
use crate::text::checked_text;

/// Longest template, in bytes.
const MAX_LENGTH: usize = 512;
/// Most segments of a template.
const MAX_SEGMENTS: usize = 32;

checked_text!(
    /// A path whose segments are fixed, `{any}` one segment, or at the end `{*rest}`: whatever follows, even nothing.
    PathTemplate,
    check
);

/// One segment of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// This text.
    Fixed(&'a str),
    /// Any one segment.
    Any,
    /// Whatever follows.
    Rest,
}

impl PathTemplate {
    /// Its segments in order; `/` has none.
    pub(super) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        split(self.as_str()).map(Segment::of)
    }
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        match text.strip_prefix('{') {
            None => Self::Fixed(text),
            Some(name) if name.starts_with('*') => Self::Rest,
            Some(_) => Self::Any,
        }
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').filter(|rest| !rest.is_empty()).into_iter().flat_map(|rest| rest.split('/'))
}

fn check(text: &str) -> Result<String, Invalid> {
    if text.len() > MAX_LENGTH || split(text).count() > MAX_SEGMENTS {
        let rule = format!("must have at most {MAX_LENGTH} characters and {MAX_SEGMENTS} segments");
        return Err(Invalid::rule(rule));
    }
    let last = split(text).count();
    let fits = |(place, segment): (usize, &str)| match Segment::of(segment) {
        Segment::Fixed(fixed) => is_fixed(fixed),
        Segment::Any => is_named(segment, "{"),
        Segment::Rest => is_named(segment, "{*") && place == last,
    };
    if text.starts_with('/') && (1..).zip(split(text)).all(fits) {
        return Ok(text.to_owned());
    }
    Err(Invalid::rule(
        "must be a path such as `/v1/customers/{id}/orders/{*rest}`: no slash at its end, and only letters, digits \
         and `-._~!$&'()+,=:@` beside what stands in braces",
    ))
}

/// What needs no percent-encoding, so that it is written in one way; and no dot at the end, as such paths are refused.
fn is_fixed(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte);
    !segment.is_empty() && !segment.ends_with('.') && segment.bytes().all(is_plain)
}

fn is_named(segment: &str, opening: &str) -> bool {
    let name = segment.strip_prefix(opening).and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_written_in_one_way() {
        for good in
            ["/", "/v1", "/{*rest}", "/v1/customers/{id}/orders/{*rest}", "/a.b/c~d/@me", "/files/.well"]
        {
            assert!(good.parse::<PathTemplate>().is_ok(), "{good}");
        }
        let deep = "/a".repeat(33);
        for bad in [
            "",
            "v1",
            "/v1/",
            "//",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a.",
            "/a%20b",
            "/a;b",
            "/ä",
            "/a b",
            "/a?b",
            "/{}",
            "/{*}",
            "/{*rest}/a",
            "/a{id}",
            "/{id}b",
            "/{i d}",
            "/*rest",
            &deep,
        ] {
            assert!(bad.parse::<PathTemplate>().is_err(), "{bad}");
        }
    }
}
