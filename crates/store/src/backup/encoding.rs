//! A row as bytes: each value is a sign of its kind and what it is, numbers with the highest byte first.

use crate::value::Value;

const NULL: u8 = 0;
const INT: u8 = 1;
const TEXT: u8 = 2;
const BLOB: u8 = 3;

/// Writes the values of a row behind what stands in `bytes`. One of more than four gigabytes, which no engine has, makes the row too long to
/// be written.
pub(super) fn encode(values: &[Value], bytes: &mut Vec<u8>) {
    for value in values {
        match value {
            Value::Null => bytes.push(NULL),
            Value::Int(int) => {
                bytes.push(INT);
                bytes.extend_from_slice(&int.to_be_bytes());
            }
            Value::Text(text) => encode_long(TEXT, text.as_bytes(), bytes),
            Value::Word(word) => encode_long(TEXT, word.as_bytes(), bytes),
            Value::Blob(blob) => encode_long(BLOB, blob, bytes),
        }
    }
}

fn encode_long(kind: u8, content: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(kind);
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(content);
}

/// Reads a row; nothing if the bytes are none.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        let (value, rest) = match *kind {
            NULL => (Value::Null, rest),
            INT => {
                let (int, rest) = rest.split_first_chunk::<8>()?;
                (Value::Int(i64::from_be_bytes(*int)), rest)
            }
            TEXT => {
                let (content, rest) = decode_long(rest)?;
                (Value::Text(String::from_utf8(content.to_vec()).ok()?), rest)
            }
            BLOB => {
                let (content, rest) = decode_long(rest)?;
                (Value::blob(content), rest)
            }
            _ => return None,
        };
        values.push(value);
        bytes = rest;
    }
    Some(values)
}

fn decode_long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Vec<Value> {
        let long = Value::blob(vec![7; 300]);
        let texts = [Value::Text("Grüße".into()), Value::Text(String::new()), Value::Word("word")];
        let ints = [i64::MIN, -1, 0, i64::MAX].map(Value::Int);
        ints.into_iter().chain(texts).chain([Value::Null, long, Value::blob(Vec::<u8>::new())]).collect()
    }

    #[test]
    fn every_value_comes_back() {
        let mut bytes = Vec::new();
        encode(&row(), &mut bytes);
        let read = decode(&bytes).unwrap();
        assert!(read[..6] == row()[..6] && read[7..] == row()[7..]);
        assert!(read[6] == Value::Text("word".into()), "a word of ours is a text");
    }

    #[test]
    fn no_beginning_of_a_row_is_taken_for_more_than_it_is() {
        let (mut bytes, values) = (Vec::new(), row());
        encode(&values, &mut bytes);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_none_or(|read| read.len() < values.len()), "{end}");
        }
        assert!(decode(&[9]).is_none() && decode(&[TEXT, 0, 0, 0, 1, 0xff]).is_none());
    }
}
