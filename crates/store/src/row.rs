//! Reads a row, column by column in the order of the `SELECT`.

use std::str::FromStr;

use keystile_core::{Digest, Seq, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::StoreError;
use crate::value::Value;

/// One row. Each call takes the next column; its name is there for the error only.
pub(crate) struct Row {
    values: std::vec::IntoIter<Value>,
}

/// What was read, or that it cannot be.
pub(crate) type Read<T> = Result<T, StoreError>;

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter() }
    }

    /// All that was not taken yet, as it is.
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.values.collect()
    }

    fn next(&mut self, column: &str) -> Read<Value> {
        self.values.next().ok_or_else(|| corrupt(column, "is missing"))
    }

    pub(crate) fn opt_int(&mut self, column: &str) -> Read<Option<i64>> {
        match self.next(column)? {
            Value::Null => Ok(None),
            Value::Int(int) => Ok(Some(int)),
            Value::Text(_) | Value::Word(_) | Value::Blob(_) => Err(corrupt(column, "is not a whole number")),
        }
    }

    pub(crate) fn int(&mut self, column: &str) -> Read<i64> {
        required(column, self.opt_int(column)?)
    }

    pub(crate) fn opt_count(&mut self, column: &str) -> Read<Option<u64>> {
        let count = |int| u64::try_from(int).map_err(|_| corrupt(column, "is negative"));
        self.opt_int(column)?.map(count).transpose()
    }

    /// A whole number from 0 to 65,535.
    pub(crate) fn small(&mut self, column: &str) -> Read<u16> {
        u16::try_from(self.int(column)?).map_err(|_| corrupt(column, "is out of range"))
    }

    pub(crate) fn truth(&mut self, column: &str) -> Read<bool> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(corrupt(column, "is neither 0 nor 1")),
        }
    }

    pub(crate) fn opt_time(&mut self, column: &str) -> Read<Option<Timestamp>> {
        Ok(self.opt_int(column)?.map(Timestamp::from_millis))
    }

    pub(crate) fn time(&mut self, column: &str) -> Read<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    pub(crate) fn opt_text(&mut self, column: &str) -> Read<Option<String>> {
        match self.next(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Word(word) => Ok(Some(word.to_owned())),
            Value::Int(_) | Value::Blob(_) => Err(corrupt(column, "is not a text")),
        }
    }

    pub(crate) fn text(&mut self, column: &str) -> Read<String> {
        required(column, self.opt_text(column)?)
    }

    /// A text with a form: an id, a name, an enumeration.
    pub(crate) fn parsed<T: FromStr>(&mut self, column: &str) -> Read<T> {
        required(column, self.opt_parsed(column)?)
    }

    pub(crate) fn opt_parsed<T: FromStr>(&mut self, column: &str) -> Read<Option<T>> {
        let parse = |text: String| text.parse().map_err(|_| corrupt(column, "has no known form"));
        self.opt_text(column)?.map(parse).transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self, column: &str) -> Read<T> {
        required(column, self.opt_json(column)?)
    }

    pub(crate) fn opt_json<T: DeserializeOwned>(&mut self, column: &str) -> Read<Option<T>> {
        let read = |text: String| serde_json::from_str(&text);
        let read = self.opt_text(column)?.map(read).transpose();
        read.map_err(|_| corrupt(column, "is not the JSON it should be"))
    }

    /// JSON, kept as the text that it is.
    pub(crate) fn json_text(&mut self, column: &str) -> Read<Box<RawValue>> {
        RawValue::from_string(self.text(column)?).map_err(|_| corrupt(column, "is not JSON"))
    }

    pub(crate) fn seq(&mut self, column: &str) -> Read<Seq> {
        required(column, self.opt_count(column)?).map(Seq::new)
    }

    /// A list of texts, checked as a whole.
    pub(crate) fn list<T, E>(&mut self, column: &str, parse: fn(&[String]) -> Result<T, E>) -> Read<T> {
        parse(&self.json::<Vec<String>>(column)?)
            .map_err(|_| corrupt(column, "has an entry without known form"))
    }

    pub(crate) fn opt_blob(&mut self, column: &str) -> Read<Option<Vec<u8>>> {
        match self.next(column)? {
            Value::Null => Ok(None),
            Value::Blob(bytes) => Ok(Some(bytes.into_vec())),
            Value::Int(_) | Value::Text(_) | Value::Word(_) => Err(corrupt(column, "is not a blob")),
        }
    }

    pub(crate) fn blob(&mut self, column: &str) -> Read<Vec<u8>> {
        required(column, self.opt_blob(column)?)
    }

    /// 128 bits, the highest first.
    pub(crate) fn bits(&mut self, column: &str) -> Read<u128> {
        let bytes = self.blob(column)?.try_into().map_err(|_| corrupt(column, "is not 16 bytes long"))?;
        Ok(u128::from_be_bytes(bytes))
    }

    pub(crate) fn digest(&mut self, column: &str) -> Read<Digest> {
        required(column, self.opt_digest(column)?)
    }

    pub(crate) fn opt_digest(&mut self, column: &str) -> Read<Option<Digest>> {
        let digest = |bytes: Vec<u8>| bytes.try_into().map(Digest::from_bytes);
        let read = self.opt_blob(column)?.map(digest).transpose();
        read.map_err(|_| corrupt(column, "is not 32 bytes long"))
    }
}

fn required<T>(column: &str, value: Option<T>) -> Read<T> {
    value.ok_or_else(|| corrupt(column, "is null"))
}

fn corrupt(column: &str, what: &str) -> StoreError {
    StoreError::Corrupt(format!("column `{column}` {what}"))
}
