//! Keys that leaked: telling that one did, seeing which did, and asking what a secret opens that was found somewhere.

use std::fmt;

use keystile_core::key::{KeySearch, MalformedKey, Presented};
use keystile_core::leak::PLACE_MAX_CHARS;
use keystile_core::text::check_line;
use keystile_core::{
    ApplicationId, Digest, Environment, Invalid, KeyId, LeakDeed, LeakId, LeakReport, LeakSource, LeakState,
    Secret, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::schema;

/// Most digests of one look-up.
pub const MAX_LOOKUP: usize = 1_000;

/// A key that was seen where it does not belong.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportLeak {
    /// The key: 8–512 visible ASCII characters.
    #[schema(value_type = String, min_length = 8, max_length = 512, pattern = "^[!-~]{8,512}$")]
    #[serde(serialize_with = "crate::secret::send")]
    pub key: Secret,
    /// Where it was seen: a URL, or 1–1,000 characters of words.
    #[schema(min_length = 1, max_length = 1_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// A key that is to be looked for.
#[derive(Debug, Clone)]
pub struct SeenKey {
    /// The digest of its text; none of a text that cannot be any key, which need not be looked for.
    pub digest: Option<Digest>,
    /// Where it was seen.
    pub place: Option<String>,
}

impl ReportLeak {
    /// What is to be looked for.
    ///
    /// # Errors
    /// Every broken rule. A text that was mistyped breaks none.
    pub fn parse(&self) -> Result<SeenKey, Vec<Invalid>> {
        let mut broken = Broken::default();
        let digest = broken.required("key", digest_of(&self.key));
        let place = self.place.as_deref().map(|place| check_line(place, PLACE_MAX_CHARS)).transpose();
        let place = broken.required("place", place);
        let hide = |place: Option<String>| place.map(|place| without_keys(place, &self.key));
        broken.or(digest.zip(place).map(|(digest, place)| SeenKey { digest, place: hide(place) }))
    }
}

/// A place that can be kept: whoever copies a URL may copy a key with it.
fn without_keys(place: String, key: &Secret) -> String {
    const HIDDEN: &str = "…";
    let mut keys = Vec::new();
    KeySearch::new().read(place.as_bytes(), |found| keys.push(Secret::new(found.text)));
    let hide = |place: String, key: &Secret| place.replace(key.expose(), HIDDEN);
    let place = keys.iter().fold(place, hide);
    // What is shorter than any key stands in many words.
    if Presented::parse(key.expose()) == Err(MalformedKey::Length) { place } else { hide(place, key) }
}

fn digest_of(key: &Secret) -> Result<Option<Digest>, Invalid> {
    match Presented::parse(key.expose()) {
        Ok(Presented::Ours(_) | Presented::Foreign) => Ok(Some(key.digest())),
        Err(MalformedKey::Shape | MalformedKey::CheckDigits) => Ok(None),
        Err(malformed @ (MalformedKey::Length | MalformedKey::Characters)) => {
            Err(Invalid::rule(malformed.to_string()))
        }
    }
}

/// That a report was taken. It is the same whatever the key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeakReceived {
    /// `received`.
    pub status: String,
}

impl LeakReceived {
    /// The only answer there is.
    pub fn answer() -> Self {
        Self { status: "received".to_owned() }
    }
}

/// Secrets that were found somewhere, by their digests, so that none is sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakLookup {
    /// SHA-256 of the whole text of each, in hexadecimal; 1,000 at most.
    #[schema(schema_with = schema::digests)]
    pub digests: Vec<String>,
}

impl LeakLookup {
    /// A question about these.
    pub fn of(digests: &[Digest]) -> Self {
        Self { digests: digests.iter().map(Digest::to_hex).collect() }
    }

    /// The checked digests.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn parse(&self) -> Result<Vec<Digest>, Invalid> {
        if self.digests.len() > MAX_LOOKUP {
            return Err(Invalid::new("digests", format!("must have at most {MAX_LOOKUP} entries")));
        }
        let parse = |(index, text): (usize, &String)| {
            text.parse().map_err(|invalid: Invalid| invalid.at(&format!("digests[{index}]")))
        };
        self.digests.iter().enumerate().map(parse).collect()
    }
}

/// What the secrets of a look-up open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeakLookupAnswer {
    /// One for each digest, in their order.
    pub secrets: Vec<SecretView>,
}

/// What a secret opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    /// Its digest.
    #[schema(schema_with = schema::digest)]
    pub digest: String,
    /// `live`: act at once. `revoked`, `expired` and `replaced` open nothing any more; `blocked` and `disabled` nothing for
    /// now; of `unknown` no key of the tenant has, or had, the secret.
    #[schema(schema_with = schema::leak_state)]
    pub state: LeakState,
    /// The key that has, or had, it.
    #[schema(schema_with = schema::maybe_key_id, required)]
    pub key_id: Option<KeyId>,
    /// What the key was issued to, unless the secret was replaced.
    #[schema(schema_with = schema::maybe_application_id, required)]
    pub application_id: Option<ApplicationId>,
    /// Where the key works, unless the secret was replaced.
    #[schema(schema_with = schema::maybe_environment, required)]
    pub environment: Option<Environment>,
}

/// Which reports to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LeakListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only reports about this key.
    #[param(schema_with = schema::key_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
}

/// A report that a key leaked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeakView {
    /// Which one.
    #[schema(schema_with = schema::leak_id)]
    pub id: LeakId,
    /// Whose key.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The key.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// When it was told.
    #[schema(schema_with = schema::time)]
    pub reported_at: Timestamp,
    /// Who told it: anybody who held the secret (`report`), or GitHub's secret scanning (`github`).
    #[schema(schema_with = schema::leak_source)]
    pub source: LeakSource,
    /// Where it was seen, in the words of whoever told it. Nobody has checked them: open no link in them unseen.
    #[schema(required, max_length = 1_000)]
    pub place: Option<String>,
    /// What was done about it.
    #[schema(schema_with = schema::leak_deed)]
    pub done: LeakDeed,
}

impl From<LeakReport> for LeakView {
    fn from(report: LeakReport) -> Self {
        let LeakReport { id, tenant_id, key_id, reported_at, source, place, done } = report;
        Self { id, tenant_id, key_id, reported_at, source, place, done }
    }
}

/// A secret that GitHub has found, as it tells of it. Members that are not listed here are passed over.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct GithubAlert {
    /// The secret.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// What GitHub calls secrets of its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it was found.
    #[serde(default)]
    pub url: Option<String>,
}

/// Tells where, never which.
impl fmt::Debug for GithubAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubAlert").field("url", &self.url).finish_non_exhaustive()
    }
}

impl GithubAlert {
    /// What is to be looked for. Where it was found is told as far as it can be kept.
    pub fn seen(&self) -> SeenKey {
        let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
        // What is cut first could leave a part of a key that nobody knows as one.
        let hidden = |url: &str| without_keys(url.trim().to_owned(), &self.token);
        let kept = |place: String| place.chars().take(PLACE_MAX_CHARS).map(plain).collect::<String>();
        let place = self.url.as_deref().map(hidden).map(kept).filter(|place| !place.is_empty());
        SeenKey { digest: digest_of(&self.token).ok().flatten(), place }
    }

    /// What GitHub is told about it.
    pub fn verdict(&self, is_ours: bool) -> GithubVerdict {
        GithubVerdict {
            token_hash: self.token.digest().to_hex(),
            token_type: self.kind.clone(),
            label: if is_ours { "true_positive" } else { "false_positive" }.to_owned(),
        }
    }
}

/// What GitHub is told about a secret that it has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GithubVerdict {
    /// SHA-256 of the secret, in hexadecimal.
    #[schema(schema_with = schema::digest)]
    pub token_hash: String,
    /// As GitHub called it.
    pub token_type: String,
    /// `true_positive` if a key has, or had, this secret, else `false_positive`.
    #[schema(pattern = "^(true|false)_positive$")]
    pub label: String,
}

#[cfg(test)]
mod tests {
    use keystile_core::KeyLabel;
    use keystile_core::key::mint;

    use super::*;

    fn report(key: &str, place: Option<&str>) -> Result<SeenKey, Vec<String>> {
        let report = ReportLeak { key: Secret::new(key), place: place.map(str::to_owned) };
        report.parse().map_err(|broken| broken.into_iter().map(|rule| rule.field.into_owned()).collect())
    }

    #[test]
    fn a_text_that_may_be_a_key_breaks_no_rule() {
        for (key, is_looked_for) in
            [("9f8e7d6c5b4a39281706f5e4", true), ("sk_ks_live_short", false), ("password", true)]
        {
            let seen = report(key, Some(" https://example.com/a ")).unwrap();
            assert_eq!(seen.digest, is_looked_for.then(|| Digest::of(key.as_bytes())));
            assert_eq!(seen.place.as_deref(), Some("https://example.com/a"));
        }
        assert!(report("password", None).unwrap().place.is_none());
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_the_name_of_its_field() {
        assert_eq!(report("short", Some("")).unwrap_err(), ["key", "place"]);
        assert_eq!(report("with a space", None).unwrap_err(), ["key"]);
        for place in ["a\nb", "\u{0}", &"a".repeat(PLACE_MAX_CHARS + 1)] {
            assert_eq!(report("password", Some(place)).unwrap_err(), ["place"]);
        }
    }

    #[test]
    fn no_key_is_kept_with_the_place() {
        let other = mint(&KeyLabel::default(), Environment::Production, &[7; 32]);
        let place = format!("https://example.com/?a=9f8e7d6c5b4a&b={}", other.expose());
        let seen = report("9f8e7d6c5b4a", Some(&place)).unwrap();
        assert_eq!(seen.place.as_deref(), Some("https://example.com/?a=…&b=…"));
        let alert = |token: &str| GithubAlert {
            token: Secret::new(token),
            kind: String::new(),
            url: Some(place.clone()),
        };
        let told = |token| alert(token).seen().place.unwrap();
        assert_eq!(told(other.expose()), "https://example.com/?a=9f8e7d6c5b4a&b=…");
        assert_eq!(told(""), told(other.expose()), "nothing is everywhere");
    }

    #[test]
    fn a_partner_is_understood_whatever_it_says_of_the_place() {
        let read = |json: &str| serde_json::from_str::<GithubAlert>(json).unwrap();
        let alert =
            read(r#"{"token": "password", "type": "a", "url": "x\ny", "source": "commit", "new": 1}"#);
        assert_eq!(alert.seen().place.as_deref(), Some("x\u{fffd}y"));
        let bare = read(r#"{"token": "short", "type": "a", "url": " "}"#);
        assert!(bare.seen().digest.is_none() && bare.seen().place.is_none());
        let told = serde_json::to_value(alert.verdict(true)).unwrap();
        // SHA-256 of `password`.
        let hash = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        let expected = serde_json::json!({ "token_hash": hash, "token_type": "a", "label": "true_positive" });
        assert_eq!(told, expected);
        assert_eq!(alert.verdict(false).label, "false_positive");
    }

    #[test]
    fn digests_are_bounded_and_checked() {
        let digest = Digest::of(b"a");
        assert_eq!(LeakLookup::of(&[digest]).parse().unwrap(), [digest]);
        let refused = |digests| LeakLookup { digests }.parse().unwrap_err().field;
        assert_eq!(refused(vec![digest.to_hex(); MAX_LOOKUP + 1]), "digests");
        assert_eq!(refused(vec![digest.to_hex(), "abc".to_owned()]), "digests[1]");
    }
}
