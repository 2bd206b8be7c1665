//! Forms of `multipart/form-data` (RFC 7578), as the routes for pictures and sound take them.

use memchr::memmem;
use serde_json::{Map, Value};

/// What a form has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// Its fields that are text, by name; the last of each.
    pub(crate) fields: Value,
    /// Bytes of all its files.
    pub(crate) file_bytes: usize,
}

impl Form {
    /// Reads a form; nothing when it is none.
    pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Self> {
        let delimiter = format!("--{}", boundary(content_type)?);
        let (mut fields, mut file_bytes) = (Map::new(), 0);
        let mut rest = body.strip_prefix(delimiter.as_bytes())?;
        let closing = format!("\r\n{delimiter}");
        while let Some(part) = rest.strip_prefix(b"\r\n") {
            let end = memmem::find(part, closing.as_bytes())?;
            let (part, after) = part.split_at_checked(end)?;
            rest = after.get(closing.len()..)?;
            let head_end = memmem::find(part, b"\r\n\r\n")?;
            let (head, content) = part.split_at_checked(head_end)?;
            let (head, content) = (String::from_utf8_lossy(head), content.get(4..)?);
            if parameter(&head, "filename").is_some() {
                file_bytes += content.len();
            } else {
                let text = String::from_utf8_lossy(content).into_owned();
                fields.insert(parameter(&head, "name")?.to_owned(), Value::String(text));
            }
        }
        rest.starts_with(b"--").then_some(Self { fields: Value::Object(fields), file_bytes })
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.strip_prefix("multipart/form-data")?;
    let (_, boundary) = parameters.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim();
    Some(boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

/// A parameter of `Content-Disposition`. What stands before `name` tells it from the end of `filename`.
fn parameter<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let (_, value) = head.split_once(&format!("; {name}=\""))?;
    value.split('"').next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_has_fields_and_files() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nmock\r\n\
            --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
            \r\n-b\r\n--b--\r\n";
        let form = Form::read("multipart/form-data; boundary=b", body).unwrap();
        assert_eq!(form, Form { fields: json!({ "model": "mock" }), file_bytes: 4 });
    }

    #[test]
    fn what_is_no_form_or_has_no_end_is_refused() {
        assert_eq!(Form::read("application/json", b"{}"), None);
        assert_eq!(Form::read("multipart/form-data", b"--b--"), None);
        let body = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nmock\r\n";
        assert_eq!(Form::read("multipart/form-data; boundary=\"b\"", body), None);
    }
}
