//! Permissions (`customers:read`), the grants that a key holds (`customers:*`), and what a request needs.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;

/// Longest permission or grant, in bytes.
pub const MAX_LENGTH: usize = 128;
/// Most grants one key may hold, and most permissions one request may ask for.
pub const MAX_COUNT: usize = 200;
/// Permissions under this prefix govern Keystile itself. A bare `*` never covers them: whoever hands out
/// "everything in my API" has not handed out the right to issue keys.
const RESERVED_PREFIX: &str = "keystile.";

/// One concrete thing a request may need: `resource:action`, borrowed from the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission<'a>(&'a str);

impl<'a> Permission<'a> {
    /// May create and manage keys, never with more than the key holds itself.
    pub const ISSUE_KEYS: Permission<'static> = Permission("keystile.keys:issue");
    /// May see the keys of its application.
    pub const READ_KEYS: Permission<'static> = Permission("keystile.keys:read");
    /// May read the audit log of its whole tenant.
    pub const READ_AUDIT: Permission<'static> = Permission("keystile.audit:read");
    /// May see who is a member of the tenant.
    pub const READ_MEMBERSHIPS: Permission<'static> = Permission("keystile.memberships:read");
    /// May see customers.
    pub const READ_CUSTOMERS: Permission<'static> = Permission("keystile.customers:read");
    /// May make, change and see customers.
    pub const WRITE_CUSTOMERS: Permission<'static> = Permission("keystile.customers:write");
    /// May send events, in the name of its source.
    pub const WRITE_EVENTS: Permission<'static> = Permission("keystile.events:write");
    /// May ask for verifications.
    pub const VERIFY_KEYS: Permission<'static> = Permission("keystile.keys:verify");

    /// Reads 2–4 segments of `A-Z a-z 0-9 . _ -`, joined by colons.
    ///
    /// # Errors
    /// Says which form is expected.
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        if is_concrete(text) {
            Ok(Self(text))
        } else {
            Err(Invalid::rule("must be a permission such as `customers:read`"))
        }
    }

    /// The permission that such a text is known to be.
    pub(crate) const fn known(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether it governs Keystile itself.
    pub fn is_reserved(self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }
}

/// What a key holds: a concrete permission, everything below a resource (`customers:*`), or everything (`*`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant(Box<str>);

impl Grant {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether holding this grant is enough for `permission`.
    pub fn covers(&self, permission: Permission<'_>) -> bool {
        self.includes(permission.0)
    }

    /// Whether holding this grant is enough to hand out `other`.
    pub fn covers_grant(&self, other: &Grant) -> bool {
        self.includes(&other.0)
    }

    fn includes(&self, other: &str) -> bool {
        match self.0.strip_suffix('*') {
            None => *self.0 == *other,
            Some("") => !other.starts_with(RESERVED_PREFIX),
            Some(below) => other.len() > below.len() && other.starts_with(below),
        }
    }
}

impl FromStr for Grant {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let concrete_below = |below: &str| is_concrete(&format!("{below}:x")) && text.len() <= MAX_LENGTH;
        if text == "*" || is_concrete(text) || text.strip_suffix(":*").is_some_and(concrete_below) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::rule("must be a permission such as `customers:read`, `customers:*` or `*`"))
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// In one pass over the bytes: searching the text for colons took nine times as long.
fn is_concrete(text: &str) -> bool {
    let (mut segments, mut is_empty) = (1, true);
    for byte in text.bytes() {
        match byte {
            b':' if is_empty => return false,
            b':' => (segments, is_empty) = (segments + 1, true),
            b'.' | b'_' | b'-' => is_empty = false,
            _ if byte.is_ascii_alphanumeric() => is_empty = false,
            _ => return false,
        }
    }
    text.len() <= MAX_LENGTH && !is_empty && (2..=4).contains(&segments)
}

/// The grant of exactly this permission.
impl From<Permission<'_>> for Grant {
    fn from(permission: Permission<'_>) -> Self {
        Self(permission.0.into())
    }
}

/// All that a key may do, sorted and without repeats.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants(Box<[Grant]>);

impl Grants {
    /// Reads a list of grants.
    ///
    /// # Errors
    /// Names the first entry that is not a grant, or says that there are too many.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, Invalid> {
        if entries.len() > MAX_COUNT {
            return Err(Invalid::rule(format!("must have at most {MAX_COUNT} entries")));
        }
        let parse = |(index, entry): (usize, &S)| {
            entry.as_ref().parse::<Grant>().map_err(|invalid| invalid.at(&format!("[{index}]")))
        };
        let mut grants = entries.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
        grants.sort_unstable();
        grants.dedup();
        Ok(Self(grants.into()))
    }

    /// Exactly this one permission.
    pub fn only(permission: Permission<'_>) -> Self {
        Self(Box::new([permission.into()]))
    }

    /// The grants in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Grant> {
        self.0.iter()
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them covers `permission`.
    pub fn cover(&self, permission: Permission<'_>) -> bool {
        self.0.iter().any(|grant| grant.covers(permission))
    }

    /// The first of `wanted` that these grants are not enough to hand out.
    pub fn first_beyond<'w>(&self, wanted: &'w Grants) -> Option<&'w Grant> {
        wanted.0.iter().find(|other| !self.0.iter().any(|grant| grant.covers_grant(other)))
    }
}

/// A JSON list of texts.
impl serde::Serialize for Grants {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Grant::as_str))
    }
}

impl<'de> serde::Deserialize<'de> for Grants {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&texts).map_err(serde::de::Error::custom)
    }
}

/// What a request needs of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement<'a> {
    /// Every one of them; an empty list needs nothing.
    All(&'a [Permission<'a>]),
    /// At least one of them; an empty list can never be met.
    Any(&'a [Permission<'a>]),
    /// Every one of both lists.
    AllOf([&'a [Permission<'a>]; 2]),
    /// At least one of the first list, and every one of the second.
    AnyAndAll {
        /// At least one of these; an empty list can never be met.
        any: &'a [Permission<'a>],
        /// Every one of these.
        all: &'a [Permission<'a>],
    },
}

impl<'a> Requirement<'a> {
    /// Needs no permission at all.
    pub const NONE: Self = Self::All(&[]);
    /// Cannot be met, whatever a key has.
    pub const IMPOSSIBLE: Self = Self::Any(&[]);

    /// Whether `grants` meet this requirement.
    ///
    /// # Errors
    /// The first permission that is missing, to be named in the refusal; empty when nothing could ever meet the requirement.
    pub fn check(self, grants: &Grants) -> Result<(), &'a str> {
        match self {
            Self::All(needed) => match needed.iter().find(|permission| !grants.cover(**permission)) {
                None => Ok(()),
                Some(missing) => Err(missing.0),
            },
            Self::Any(accepted) if accepted.iter().any(|permission| grants.cover(*permission)) => Ok(()),
            Self::Any(accepted) => Err(accepted.first().map_or("", |permission| permission.0)),
            Self::AllOf([one, other]) => {
                Self::All(one).check(grants).and_then(|()| Self::All(other).check(grants))
            }
            Self::AnyAndAll { any, all } => {
                Self::Any(any).check(grants).and_then(|()| Self::All(all).check(grants))
            }
        }
    }

    /// Every permission without which `grants` do not meet this requirement, in the order of the question; where one of
    /// several is enough, all of them. The first is the one that [`Self::check`] names.
    pub fn missing(self, grants: &Grants) -> Vec<&'a str> {
        let lacking = |needed: &'a [Permission<'a>]| {
            needed.iter().filter(|permission| !grants.cover(**permission)).map(|permission| permission.0)
        };
        match self {
            Self::All(needed) => lacking(needed).collect(),
            Self::Any(_) if self.check(grants).is_ok() => Vec::new(),
            Self::Any(accepted) => lacking(accepted).collect(),
            Self::AllOf([one, other]) => lacking(one).chain(lacking(other)).collect(),
            Self::AnyAndAll { any, all } => {
                Self::Any(any).missing(grants).into_iter().chain(lacking(all)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::parse(texts).unwrap()
    }

    fn permission(text: &str) -> Permission<'_> {
        Permission::parse(text).unwrap()
    }

    #[test]
    fn wildcards_cover_what_is_below_them_and_nothing_beside() {
        let held = grants(&["customers:*", "orders:read", "crm:notes:*"]);
        for covered in ["customers:read", "customers:a:b", "orders:read", "crm:notes:write"] {
            assert!(held.cover(permission(covered)), "{covered}");
        }
        for other in ["customersx:read", "orders:write", "crm:notes2:write", "crm:read"] {
            assert!(!held.cover(permission(other)), "{other}");
        }
    }

    #[test]
    fn everything_does_not_include_the_right_to_issue_keys() {
        assert!(grants(&["*"]).cover(permission("anything:at-all")));
        assert!(!grants(&["*"]).cover(Permission::ISSUE_KEYS));
        assert!(grants(&["keystile.keys:*"]).cover(Permission::ISSUE_KEYS));
        assert_eq!(
            grants(&["*"]).first_beyond(&grants(&["a:b", "keystile.keys:*"])).unwrap().as_str(),
            "keystile.keys:*"
        );
        assert_eq!(grants(&["a:*"]).first_beyond(&grants(&["*"])).unwrap().as_str(), "*");
        assert_eq!(grants(&["a:*"]).first_beyond(&grants(&["a:b:*", "a:*"])), None);
    }

    #[test]
    fn forms_that_are_no_permission_are_refused() {
        let long = format!("{}:b", "a".repeat(127));
        for bad in
            ["", "a", "a:", ":a", "a:b:c:d:e", "a b:c", "a:*b", "*:read", "**", "a:**", "ü:x", long.as_str()]
        {
            assert!(bad.parse::<Grant>().is_err(), "{bad}");
            assert!(Permission::parse(bad).is_err(), "{bad}");
        }
        assert!(Permission::parse("a:*").is_err());
    }

    #[test]
    fn a_refusal_names_what_is_missing() {
        let held = grants(&["a:read"]);
        let asked = [permission("a:read"), permission("a:write")];
        assert_eq!(Requirement::All(&asked).check(&held), Err("a:write"));
        assert_eq!(Requirement::Any(&asked).check(&held), Ok(()));
        assert_eq!(Requirement::Any(&asked[1..]).check(&held), Err("a:write"));
        assert_eq!(Requirement::AllOf([&asked[..1], &asked[..1]]).check(&held), Ok(()));
        assert_eq!(Requirement::AllOf([&asked[1..], &asked[..1]]).check(&held), Err("a:write"));
        assert_eq!(Requirement::AllOf([&asked[..1], &asked[1..]]).check(&held), Err("a:write"));
        assert_eq!(Requirement::AnyAndAll { any: &asked, all: &asked[..1] }.check(&held), Ok(()));
        assert_eq!(Requirement::AnyAndAll { any: &asked, all: &asked[1..] }.check(&held), Err("a:write"));
        assert_eq!(Requirement::AnyAndAll { any: &asked[1..], all: &[] }.check(&held), Err("a:write"));
        assert_eq!(Requirement::NONE.check(&held), Ok(()));
        assert!(Requirement::IMPOSSIBLE.check(&held).is_err());
    }
}
