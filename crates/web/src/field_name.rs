//! Names of fields and parameters, as errors tell them.

use std::borrow::Cow;

use keystile_bearer::has_secret_form;

/// Longest name that is told; no field of ours comes near it.
const LONGEST: usize = 64;
/// From this length on a name with digits, or in groups of letters, may be a secret: an imported one, a password, a code to
/// recover with.
const WITH_DIGITS: usize = 8;
/// From this length on one with capitals may be a secret that a tenant brought.
const WITH_CAPITALS: usize = 24;

/// The path of a field without those of its names that may be secrets: in a body or a query the client chooses names, too.
pub(crate) fn tellable(path: &str) -> Cow<'_, str> {
    if path.split('.').all(is_tellable) {
        return Cow::Borrowed(path);
    }
    let names: Vec<_> = path.split('.').map(|name| if is_tellable(name) { name } else { "…" }).collect();
    Cow::Owned(names.join("."))
}

fn is_tellable(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    let name = without_index(name);
    name.len() <= LONGEST
        && name.bytes().all(is_plain)
        && (name.len() < WITH_DIGITS || !(name.bytes().any(|b| b.is_ascii_digit()) || is_grouped(name)))
        && (name.len() < WITH_CAPITALS || !name.bytes().any(|b| b.is_ascii_uppercase()))
        && !has_secret_form(name)
}

/// No field that is named here has more than one hyphen, and of the headers only those that tell of an original request.
fn is_grouped(name: &str) -> bool {
    const HEADERS: [&str; 2] = ["x-forwarded-method", "x-forwarded-uri"];
    name.matches('-').count() > 1 && !HEADERS.contains(&name)
}

/// `rate_limits[0]` → `rate_limits`.
fn without_index(name: &str) -> &str {
    let indexed = name.strip_suffix(']').and_then(|open| open.rsplit_once('['));
    indexed.filter(|(_, index)| index.bytes().all(|b| b.is_ascii_digit())).map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_unless_they_may_be_secrets() {
        for name in [
            "",
            "keys[12].last4",
            "rate_limits[0].window_seconds",
            "expiresAt",
            "Idempotency-Key",
            "x-forwarded-uri",
        ] {
            assert_eq!(tellable(name), name);
        }
        for (path, told) in [
            ("sk_ks_live_x", "…"),
            ("tags.rt_0123", "tags.…"),
            ("tags.c41f8a07d93be6525af0917d.x", "tags.….x"),
            ("tags.k7x2-q9vw", "tags.…"),
            ("yuga-zvra-givx-wdpf", "…"),
            ("xTvQmLpRwKzBnYcJdHsqWfGh", "…"),
            ("[sk_live]", "…"),
            ("eyJhbGci.two words", "….…"),
            ("a/b", "…"),
            ("schlüssel", "…"),
        ] {
            assert_eq!(tellable(path), told);
        }
        assert_eq!(tellable(&"a".repeat(65)), "…");
    }
}
