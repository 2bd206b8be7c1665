//! Keys as text, for jobs that add them later or hand them out later.

use keystile_core::{ApiKey, Digest};
use serde_json::Value as Json;

use crate::row::Row;
use crate::value::Value;
use crate::{StoreError, record};

/// Writes keys down, one a line, in the form of this version: the columns of each in their order.
pub fn pack_keys(keys: &[ApiKey]) -> String {
    let line = |key: &ApiKey| {
        let columns = record::read_values(key).into_iter().map(pack).collect();
        Json::Array(columns).to_string() + "\n"
    };
    keys.iter().map(line).collect()
}

/// Reads what [`pack_keys`] wrote.
///
/// # Errors
/// `Corrupt` for anything else, such as what a version with other columns wrote.
pub fn unpack_keys(packed: &str) -> Result<Vec<ApiKey>, StoreError> {
    packed.lines().map(unpack_key).collect()
}

fn unpack_key(line: &str) -> Result<ApiKey, StoreError> {
    let columns: Vec<Json> = serde_json::from_str(line).map_err(|_| unreadable())?;
    let values = columns.into_iter().map(unpack).collect::<Result<_, _>>()?;
    record::read(Row::new(values))
}

/// The only bytes of a key are a digest, which becomes a list of its digits.
fn pack(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(int) => Json::from(int),
        Value::Text(text) => Json::String(text),
        Value::Word(word) => Json::from(word),
        Value::Blob(bytes) => {
            let digest = bytes.as_slice().try_into().map(Digest::from_bytes);
            Json::Array(digest.iter().map(|digest| Json::String(digest.to_hex())).collect())
        }
    }
}

fn unpack(packed: Json) -> Result<Value, StoreError> {
    match packed {
        Json::Null => Ok(Value::Null),
        Json::Number(number) => number.as_i64().map(Value::Int).ok_or_else(unreadable),
        Json::String(text) => Ok(Value::Text(text)),
        Json::Array(digest) => {
            let text = digest.first().and_then(Json::as_str).ok_or_else(unreadable)?;
            text.parse::<Digest>().map(Value::from).map_err(|_| unreadable())
        }
        Json::Bool(_) | Json::Object(_) => Err(unreadable()),
    }
}

fn unreadable() -> StoreError {
    StoreError::Corrupt("keys of a job have no known form".to_owned())
}
