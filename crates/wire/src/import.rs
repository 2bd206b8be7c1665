//! Import of API keys by the hashes of their secrets.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use keystile_core::key::KeyImport;
use keystile_core::{Digest, Invalid, KeyId, KeyStatus};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{ImportKey, Object, schema};

/// Most keys of one import.
pub const MAX_IMPORT: usize = 10_000;
/// Most broken rules that are told of one import.
const MAX_TOLD: usize = 20;
/// Longest text that can be a hash: 64 hexadecimal digits.
const HASH_MAX: usize = 64;

/// Other systems end with `=`, or do not.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// API keys of another system to take over: all of them, or none.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportKeys {
    /// How the secrets were hashed: `sha256`, over the whole text of the secret and nothing else.
    #[schema(pattern = "^sha256$")]
    pub algorithm: String,
    /// How the hashes are written: `hex`, `base64` or `base64url`, the latter two with or without `=` at the end.
    #[schema(pattern = "^(hex|base64|base64url)$")]
    pub encoding: String,
    /// The keys, 1 to 10,000.
    #[schema(value_type = Vec<ImportKey>, min_items = 1, max_items = 10_000)]
    #[serde(deserialize_with = "bounded")]
    pub keys: Vec<Object<ImportKey>>,
}

impl ImportKeys {
    /// Checks every field of every key.
    ///
    /// # Errors
    /// The first broken rules.
    pub fn parse(self) -> Result<Vec<KeyImport>, Vec<Invalid>> {
        let mut broken = Vec::new();
        if self.algorithm != "sha256" {
            broken.push(Invalid::new("algorithm", "must be `sha256`"));
        }
        if self.keys.is_empty() {
            broken.push(Invalid::new("keys", "must have at least one entry"));
        }
        let digest = match self.encoding.as_str() {
            "hex" => |text: &str| text.parse(),
            "base64" => |text: &str| decode(&BASE64, text),
            "base64url" => |text: &str| decode(&BASE64URL, text),
            _ => {
                broken.push(Invalid::new("encoding", "must be one of `hex` `base64` `base64url`"));
                return Err(broken);
            }
        };
        let mut imports = Vec::with_capacity(self.keys.len());
        for (index, Object(key)) in self.keys.into_iter().enumerate() {
            match key.parse(digest) {
                Ok(import) => imports.push(import),
                Err(rules) => {
                    broken.extend(rules.into_iter().map(|rule| rule.at(&format!("keys[{index}]"))));
                }
            }
        }
        broken.truncate(MAX_TOLD);
        if broken.is_empty() { Ok(imports) } else { Err(broken) }
    }
}

fn decode(encoding: &GeneralPurpose, text: &str) -> Result<Digest, Invalid> {
    let bytes = if text.len() > HASH_MAX { None } else { encoding.decode(text).ok() };
    let digest = bytes.and_then(|bytes| bytes.try_into().ok()).map(Digest::from_bytes);
    digest.ok_or_else(|| Invalid::rule("must be 32 bytes in the encoding of this import"))
}

/// Reads no more keys than an import may have.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Object<ImportKey>>, D::Error> {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<Object<ImportKey>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some(key) = list.next_element()? {
                if keys.len() == MAX_IMPORT {
                    let rule = format!("must have at most {MAX_IMPORT} entries");
                    return Err(serde::de::Error::custom(rule));
                }
                keys.push(key);
            }
            Ok(keys)
        }
    }
    deserializer.deserialize_seq(Keys)
}

/// What became of an import.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportedKeys {
    /// How many keys were made.
    pub created: usize,
    /// How many were there already, with the same settings.
    pub existing: usize,
    /// Each key, in the order of the request.
    pub keys: Vec<ImportedKey>,
}

/// What became of one key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportedKey {
    /// The key that has the hash.
    #[schema(schema_with = schema::key_id)]
    pub id: KeyId,
    /// Its status now.
    #[schema(schema_with = schema::status)]
    pub status: KeyStatus,
    /// Whether it was made by this import.
    pub created: bool,
}
